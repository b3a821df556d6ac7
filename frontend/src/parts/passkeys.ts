// The browser's own part of passkeys: JSON in, JSON out. What it cannot do here is said before anybody tries.

/** Whether this page may make and ask for passkeys: over https or at localhost, for a name, in a browser that knows the JSON forms. */
export function canPasskeys(): boolean {
  const named = !/^[\d.]+$|^\[/u.test(location.hostname);
  return isSecureContext && named && typeof PublicKeyCredential !== "undefined" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
}

/** Have the browser make one by these options; null when its person said no. */
export async function makePasskey(options: string): Promise<string | null> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options) as PublicKeyCredentialCreationOptionsJSON);
  return said(() => navigator.credentials.create({ publicKey }));
}

/** Have the browser prove its person by one; null when they said no, or had none. */
export async function givePasskey(options: string): Promise<string | null> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options) as PublicKeyCredentialRequestOptionsJSON);
  return said(() => navigator.credentials.get({ publicKey }));
}

async function said(asked: () => Promise<Credential | null>): Promise<string | null> {
  try {
    const found = await asked();
    return found instanceof PublicKeyCredential ? JSON.stringify(found.toJSON()) : null;
  } catch (fault) {
    if (fault instanceof DOMException) return null; // refused, timed out, or known already: the browser has said so itself
    throw fault;
  }
}

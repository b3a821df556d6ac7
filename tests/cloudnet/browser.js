// A Cloud Client for browsers, as small as it can be: logs in, sends a message to itself, takes it, and hears that it is safe.
// Written from docs/cloud-protocol.md: a WebSocket message is a MessagePack array of packets, a packet an array with its number first.
async (url) => {
  const join = (...parts) => {
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
    return whole;
  };
  const text = (words) => new TextEncoder().encode(words);
  const encode = (value) => {
    if (value === null) return Uint8Array.of(0xc0);
    if (typeof value === "boolean") return Uint8Array.of(value ? 0xc3 : 0xc2);
    if (typeof value === "number") return Uint8Array.of(0xcd, value >> 8, value & 255);
    if (typeof value === "string") return join(Uint8Array.of(0xd9, text(value).length), text(value));
    if (value instanceof Uint8Array) return join(Uint8Array.of(0xc4, value.length), value);
    return join(Uint8Array.of(0xdc, value.length >> 8, value.length & 255), ...value.map(encode));
  };
  const decode = (bytes) => {
    const view = new DataView(bytes.buffer);
    let at = 0;
    const take = (size) => bytes.slice(at, (at += size));
    const number = (size) => Number(take(size).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n));
    const read = () => {
      const head = bytes[at++];
      if (head < 0x80) return head;
      if (head >= 0xe0) return head - 256;
      if (head >= 0xa0 && head < 0xc0) return new TextDecoder().decode(take(head & 31));
      if (head >= 0x90 && head < 0xa0) return Array.from({ length: head & 15 }, read);
      switch (head) {
        case 0xc0: return null;
        case 0xc2: return false;
        case 0xc3: return true;
        case 0xc4: return take(number(1));
        case 0xc5: return take(number(2));
        case 0xca: at += 4; return view.getFloat32(at - 4);
        case 0xcb: at += 8; return view.getFloat64(at - 8);
        case 0xcc: return number(1);
        case 0xcd: return number(2);
        case 0xce: return number(4);
        case 0xcf: return number(8);
        case 0xd9: return new TextDecoder().decode(take(number(1)));
        case 0xdc: return Array.from({ length: number(2) }, read);
        default: throw new Error(`no such head: ${head}`);
      }
    };
    return read();
  };

  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const key = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const say = (packet) => socket.send(encode([packet]));
  const told = {};
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`too late: ${JSON.stringify(told)}`)), 15000);
    socket.onclose = (event) => reject(new Error(`closed: ${event.code} ${event.reason}`));
    const hear = async ([kind, ...fields]) => {
      if (kind === 64) {
        const [, server, challenge] = fields;
        const nonce = crypto.getRandomValues(new Uint8Array(32));
        const host = new URL(url).host;
        const signed = join(text("cloudnet login 1\n"), server, challenge, key, nonce, Uint8Array.of(0, 0), text(host));
        const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, signed));
        say([1, key, nonce, host, new Uint8Array(0), signature, false, null, "browser"]);
      } else if (kind === 65) {
        told.resumed = fields[1];
        say([2, 1, key, crypto.getRandomValues(new Uint8Array(16)), text("a letter from a browser")]);
      } else if (kind === 66) {
        told.delivered = new TextDecoder().decode(fields[5]);
        told.position = fields[0];
        say([3, fields[0]]);
      } else if (kind === 67) {
        told.accepted = fields[0];
        clearTimeout(late);
        resolve(told);
      }
    };
    socket.onmessage = async (event) => {
      for (const packet of decode(new Uint8Array(event.data))) await hear(packet);
    };
  });
}

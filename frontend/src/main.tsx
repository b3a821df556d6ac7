// Where the page begins: theme, links, who is signed in, the stream; then the first paint.
import { render } from "preact";
import "./styles/tokens.css";
import "./styles/frame.css";
import "./styles/parts.css";
import "./styles/people.css";
import "./styles/charts.css";
import "./styles/incidents.css";
import "./styles/asking.css";
import "./styles/keys.css";
import { App } from "./app.tsx";
import { keepLive } from "./live.ts";
import { followLinks, place } from "./route.ts";
import { askPerson, keepSession, person } from "./store.ts";
import { keepTheme } from "./theme.ts";

const ASK_AGAIN = 2000; // ms between questions to a hub that does not answer yet

async function settlePerson(): Promise<void> {
  await askPerson();
  if (person.value === undefined) setTimeout(() => void settlePerson(), ASK_AGAIN);
}

keepTheme();
followLinks();
keepLive();
keepSession();
if (place.value.page !== "sign-in") void settlePerson();
const root = document.getElementById("page");
if (root) render(<App />, root);

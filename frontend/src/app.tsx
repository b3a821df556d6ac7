// The frame around every page: where one can go, how fresh the page is, and which page it shows.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { hub } from "./api/ask.ts";
import type { MachineView } from "./api/types.ts";
import iconUnknown from "./art/icon-unknown.svg";
import iconUp from "./art/icon-up.svg";
import iconWrong from "./art/icon-wrong.svg";
import { EventsPage } from "./pages/events.tsx";
import { ChannelsPage } from "./pages/channels.tsx";
import { DrillsPage } from "./pages/drills.tsx";
import { ExplorePage } from "./pages/explore.tsx";
import { EvidencePage } from "./pages/evidence.tsx";
import { MachinesPage } from "./pages/fleet.tsx";
import { IncidentPage } from "./pages/incident.tsx";
import { IncidentsPage } from "./pages/incidents.tsx";
import { Lost } from "./pages/lost.tsx";
import { MachinePage } from "./pages/machine.tsx";
import { MorePage } from "./pages/more.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { GOALS, MORE } from "./pages/places.ts";
import { RulesPage } from "./pages/rules.tsx";
import { ServerPage } from "./pages/server.tsx";
import { SettingsPage } from "./pages/settings.tsx";
import { isAtDoor, SignInPage } from "./pages/sign-in.tsx";
import { StressRunPage } from "./pages/stress-run.tsx";
import { StressPage } from "./pages/stress.tsx";
import { useActing } from "./parts/acting.ts";
import { Announcer } from "./parts/announcer.tsx";
import { Banner } from "./parts/banner.tsx";
import { Freshness } from "./parts/freshness.tsx";
import { askPalette, Keys } from "./parts/keys.tsx";
import { Logo } from "./parts/logo.tsx";
import { machineStanding, Mark, serverStanding } from "./parts/state.tsx";
import { machinePath, type Place, place, serverPath } from "./route.ts";
import { findServer, machines, panels, person, sentence, servers, verdict } from "./store.ts";
import { frame, overview, PRODUCT } from "./strings.ts";
import { keys } from "./strings/keys.ts";
import { theme, turn } from "./theme.ts";
import { waiting } from "./watch.ts";

const ICONS = { up: iconUp, wrong: iconWrong, unknown: iconUnknown };
const SIGNS = { up: "●", wrong: "✕", unknown: "◌" };

export function App() {
  useTitle();
  if (isAtDoor()) return <SignInPage />;
  return (
    <>
      <a class="skip" href="#content">
        {frame.skip}
      </a>
      <Side />
      <div class="stage">
        <header class="bar-top">
          <a class="brand" href="/">
            <Logo />
            {PRODUCT}
          </a>
          <Freshness />
          <ThemeButton />
        </header>
        <Banner />
        <main id="content" tabIndex={-1}>
          <Page />
        </main>
        <footer class="foot">
          {person.value && <span>{frame.signedIn(person.value.name)}</span>}
          <SignOut />
        </footer>
        <Announcer />
        <Keys />
      </div>
      <nav class="tabs" aria-label={frame.nav}>
        <Links tabs />
      </nav>
    </>
  );
}

function Page() {
  if (machines.value === null || panels.value === null) return <Skeleton />; // a tick may be faster than the first answers
  const here = place.value;
  switch (here.page) {
    case "machine":
      return <MachinePage key={here.machine} name={here.machine} />;
    case "server":
      return <ServerPage key={`${here.machine}/${here.server}`} machine={here.machine} name={here.server} />;
    case "machines":
      return <MachinesPage />;
    case "events":
      return <EventsPage />;
    case "incidents":
      return <IncidentsPage />;
    case "incident":
      return <IncidentPage key={here.incident} id={here.incident} />;
    case "evidence":
      return <EvidencePage key={here.evidence} machine={here.machine} id={here.evidence} />;
    case "explore":
      return <ExplorePage />;
    case "rules":
      return <RulesPage />;
    case "channels":
      return <ChannelsPage />;
    case "drills":
      return <DrillsPage />;
    case "stress":
      return <StressPage />;
    case "stress-run":
      return <StressRunPage key={here.run} id={here.run} />;
    case "settings":
      return <SettingsPage />;
    case "more":
      return <MorePage />;
    case "lost":
      return <Lost />;
    default:
      return <OverviewPage />;
  }
}

/** What stands there until the first answer, as high as what follows, so that nothing jumps. */
function Skeleton() {
  return (
    <div class="skeleton" aria-busy="true">
      <h1>{overview.first}</h1>
      <div class="sheet waiting rows" />
      <div class="sheet waiting rows" />
      <div class="sheet waiting rows tall" />
    </div>
  );
}

function Side() {
  return (
    <aside class="side">
      <a class="brand" href="/">
        <Logo />
        {PRODUCT}
      </a>
      <button type="button" class="go-anywhere" aria-haspopup="dialog" onClick={askPalette}>
        {keys.open} <kbd>Ctrl K</kbd>
      </button>
      <nav aria-label={frame.nav}>
        <Links />
      </nav>
      <nav aria-label={frame.machines} class="tree">
        {branches(machines.value ?? []).map((view) => (
          <Branch key={view.machine.name} name={view.machine.name}>
            <Mark {...machineStanding(view.health)} />
          </Branch>
        ))}
      </nav>
      <SignOut />
    </aside>
  );
}

const BRANCHES = 12; // machines that have room in the side

/** Machines by name; of many only the one that is looked at, for the list has the rest. */
function branches(all: MachineView[]): MachineView[] {
  const here = place.value;
  const shown = all.length <= BRANCHES ? all : all.filter((view) => "machine" in here && view.machine.name === here.machine);
  return shown.toSorted((one, other) => one.machine.name.localeCompare(other.machine.name));
}

function SignOut() {
  const acting = useActing();
  return (
    <>
      <button
        type="button"
        class="link sign-out"
        disabled={acting.busy.value}
        onClick={() => {
          // The cookie goes by the hub's answer alone: the door without it would be a lie.
          void acting.run(() => hub.signOut()).then((done) => {
            if (done) person.value = null;
          });
        }}
      >
        {frame.signOut}
      </button>
      {acting.refused.value && (
        <p class="bad" role="alert">
          {frame.stillIn} {acting.refused.value}
        </p>
      )}
    </>
  );
}

/** A machine and its servers, as places to go. */
function Branch({ name, children }: { name: string; children: ComponentChildren }) {
  // By name, not worst first: a place to go must not move under the finger.
  const kept = (servers.value ?? []).filter((view) => view.machine === name).toSorted((one, other) => one.status.name.localeCompare(other.status.name));
  return (
    <ul>
      <li>
        <Link to={machinePath(name)}>
          {children}
          {name}
        </Link>
      </li>
      {kept.map((view) => (
        <li key={view.status.name} class="leaf">
          <Link to={serverPath(name, view.status.name)}>
            <Mark {...serverStanding(view)} />
            {view.status.name}
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** The pages; as tabs only those that have room, and one that leads to the rest. */
function Links({ tabs = false }: { tabs?: boolean }) {
  const list = tabs ? [...GOALS.filter((goal) => goal.tab), MORE] : GOALS;
  return (
    <>
      {list.map((goal) => (
        <Link key={goal.path} to={goal.path}>
          {goal.title}
          {goal.page === "incidents" && waiting.value > 0 && <span class="badge">{waiting.value}</span>}
        </Link>
      ))}
    </>
  );
}

/** The address of the page that stands for a place in the navigation. */
function pathOf(here: Place): string {
  switch (here.page) {
    case "machine":
      return machinePath(here.machine);
    case "server":
      return serverPath(here.machine, here.server);
    case "evidence":
      return machinePath(here.machine);
    case "incident":
      return "/incidents";
    case "stress-run":
      return "/stress";
    case "overview":
      return "/";
    default:
      return `/${here.page}`;
  }
}

function Link({ to, children }: { to: string; children: ComponentChildren }) {
  return (
    <a href={to} {...(to === pathOf(place.value) ? { "aria-current": "page" as const } : {})}>
      {children}
    </a>
  );
}

function ThemeButton() {
  const word = frame.themes[theme.value];
  return (
    <button type="button" class="theme" onClick={turn} aria-label={word} title={word} data-theme-choice={theme.value}>
      <svg viewBox="0 0 20 20" aria-hidden="true">
        <circle cx="10" cy="10" r="6.5" />
        {theme.value === "light" ? null : <path d={theme.value === "dark" ? "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z" : "M10 3.5a6.5 6.5 0 0 1 0 13z"} />}
      </svg>
    </button>
  );
}

/** The tab says what the page would: state first, then the thing, so that a row of tabs can be read. */
function useTitle(): void {
  const here = place.value;
  const view = here.page === "server" ? findServer(here.machine, here.server) : undefined;
  const thing = here.page === "server" ? `${here.server}${view ? `: ${serverStanding(view).word}` : ""}` : here.page === "machine" ? here.machine : sentence.value;
  const sign = verdict.value;
  const who = person.value;
  useEffect(() => {
    document.title = who ? `${SIGNS[sign]} ${thing ? `${thing} · ` : ""}${PRODUCT}` : PRODUCT;
    document.querySelector("link[rel=icon]")?.setAttribute("href", ICONS[sign]);
  }, [sign, thing, who]);
}

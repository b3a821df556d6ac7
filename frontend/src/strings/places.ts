// The names of the pages.
export const places = {
  overview: "Overview",
  incidents: "Incidents",
  machines: "Machines",
  events: "Events",
  explore: "Explore",
  rules: "Rules",
  channels: "Channels",
  drills: "Drills",
  stress: "Stress lab",
  settings: "Settings",
  more: "More",
};

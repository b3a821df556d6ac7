// The texts of the palette and of the list of keys.
export const keys = {
  title: "Keys",
  open: "Go anywhere",
  find: "Go to a page, machine, server or incident",
  hint: "Where to?",
  none: "Nothing is called like that.",
  kinds: { page: "Page", machine: "Machine", server: "Server", incident: "Incident", act: "Do" },
  themes: "Another theme",
  list: "List of keys",
  close: "Close",
  zone: (name: string) => `Times are in ${name}; UTC is behind each.`,
  rows: {
    palette: "go anywhere by name",
    find: "find in this page's list",
    goal: (title: string) => `go to ${title}`,
    help: "this list",
    theme: "another theme",
    escape: "close, or clear what was typed",
    tab: "move through what can be done",
    arrows: "choose in a list, move through text",
  },
};

// The texts about which programs take a machine.
import { count } from "../format.ts";

export const programs = {
  title: "What takes this machine",
  titleThen: "What took this machine then",
  about: "all processes by program, whoever started them",
  program: "Program",
  cpu: "CPU",
  memory: "Memory",
  disk: "Disk",
  processes: "Processes",
  reads: "read",
  writes: "written",
  core: "100 % is one core kept busy",
  rest: "The rest",
  restAbout: "Programs that use little, and what lived and ended between two looks",
  none: "Not known: the agent has not told of programs then, or [collect.programs] is switched off.",
  more: (number: number) => `Show ${count(number, "more program")}`,
  fewer: "Show fewer",
};

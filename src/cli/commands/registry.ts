import type { Command } from "./command.ts";

/** The commands, in the order of `spendfuse --help`: one line each, loaded when it is used. */
export const COMMANDS: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  demo: () => import("./demo.ts"),
  init: () => import("./init.ts"),
  doctor: () => import("./doctor.ts"),
  proxy: () => import("./proxy.ts"),
  run: () => import("./run.ts"),
  budget: () => import("./budget.ts"),
  breaker: () => import("./breaker.ts"),
  sandbox: () => import("./sandbox.ts"),
  deploy: () => import("./deploy.ts"),
  poll: () => import("./poll.ts"),
  report: () => import("./report.ts"),
  top: () => import("./top.ts"),
  prices: () => import("./prices.ts"),
  monitors: () => import("./monitors.ts"),
};

// Prints the process that an app starts at its end, instead of starting it.
import childProcess from "node:child_process";
import { writeSync } from "node:fs";

const print = (_command, args, { env }) => {
  writeSync(1, `${JSON.stringify({ args, env })}\n`);
  return { on() {}, unref() {} };
};
childProcess.spawn = print;
childProcess.spawnSync = print;

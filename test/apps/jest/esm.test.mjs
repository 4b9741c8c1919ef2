// ES modules in a realm of their own: needs `--experimental-vm-modules`.
import OpenAI from "openai";
import * as spendfuse from "spendfuse";
import spend from "./spend.cjs";

test("an imported spendfuse meters the calls of the test", () => spend(spendfuse, OpenAI));

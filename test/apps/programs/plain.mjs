// An ESM app that knows nothing of us.
import ask from "./ask.cjs";

await ask();

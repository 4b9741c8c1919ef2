// An app that ends itself with nothing exported yet.
import ask from "./ask.cjs";

await ask();
process.exit(3);

// A CommonJS app that knows nothing of us.
require("./ask.cjs")();

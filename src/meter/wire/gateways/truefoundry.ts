import type { Gateway } from "./gateway.ts";
import { servedByName } from "./served-as.ts";

/** TrueFoundry's gateway, as its users show it: who answered is `account/model`, of an account that the operator names. */
export const truefoundry: Gateway = {
  name: "truefoundry",
  signs: ["x-tfy-resolved-model"],
  served: (headers) => servedByName(headers.get("x-tfy-resolved-model")),
  takesQuestion: false,
};

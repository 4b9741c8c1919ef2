import { theRuntime } from "./runtime.ts";

theRuntime().register();

import { theRuntime } from "./process/runtime.ts";

theRuntime().register();

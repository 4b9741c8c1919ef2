import { VERSION } from "./package/version.ts";
import { theRuntime } from "./process/runtime.ts";

/** What OpenTelemetry's `registerInstrumentations` asks of an instrumentation; it looks at the shape, not the class. */
export interface SpendfuseInstrumentation {
  (): SpendfuseInstrumentation;
  readonly instrumentationName: string;
  readonly instrumentationVersion: string;
  enable(): void;
  disable(): void;
  setTracerProvider(provider: unknown): void;
  setMeterProvider(provider: unknown): void;
  getConfig(): object;
  setConfig(config: object): void;
}

/**
 * For `new NodeSDK({ instrumentations: [instrumentation] })`. Installs the hook; the SDK's own providers are found where
 * the SDK registers them, so they are used whether the SDK starts before us or after.
 */
export const instrumentation: SpendfuseInstrumentation = Object.assign(
  // A function, so that it may be listed, called or, as older SDKs do, constructed.
  function spendfuse(): SpendfuseInstrumentation {
    return instrumentation;
  },
  {
    instrumentationName: "spendfuse",
    instrumentationVersion: VERSION,
    enable: () => theRuntime().register(),
    disable: () => void theRuntime().stop(),
    setTracerProvider() {},
    setMeterProvider() {},
    getConfig: () => ({ enabled: true }),
    setConfig() {},
  },
);

import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { AggregationTemporality, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { NodeSDK } from "@opentelemetry/sdk-node";
import OpenAI from "openai";
import { scope } from "spendfuse";

const exporter = new OTLPMetricExporter({ temporalityPreference: AggregationTemporality.DELTA });
const sdk = new NodeSDK({ metricReaders: [new PeriodicExportingMetricReader({ exporter })] });
sdk.start();

const openai = new OpenAI();
const messages = [{ role: "user", content: "Name a river." }];
await scope({ agent: "geographer" }, () => openai.chat.completions.create({ model: "gpt-5-mini", messages }));
await sdk.shutdown();

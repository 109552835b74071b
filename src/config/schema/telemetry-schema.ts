/** The schema of `telemetry` in the configuration: where traces go, and which. */
import { z } from 'zod';
import { SAMPLERS } from '../types.ts';
import { count } from './forms.ts';

const URL_MAX = 2048;
const HEADERS_MAX = 32;

/** The key `telemetry`. */
export const telemetrySchema = z
  .strictObject({
    otlp: z
      .strictObject({
        endpoint: z
          .string()
          .min(1)
          .max(URL_MAX)
          .optional()
          .describe(
            'The collector, like http://127.0.0.1:4318; spans go to /v1/traces below it. Without it nothing is traced.',
          ),
        headers: z
          .record(z.string(), z.string())
          .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, {
            error: `at most ${HEADERS_MAX} headers`,
          })
          .default({})
          .describe('Headers of every request; ${secret:NAME} and ${VAR} are expanded.'),
      })
      .prefault({})
      .describe('Where traces are sent, by OTLP over HTTP.'),
    serviceName: z
      .string()
      .min(1)
      .max(128)
      .default('starling')
      .describe('What the node is called in traces: `service.name` of OpenTelemetry.'),
    sampler: z
      .enum(SAMPLERS, { error: SAMPLERS.join(', ') })
      .default('parentbased_always_on')
      .describe(
        'Which calls are kept. `parentbased_`: what the caller decided counts where it names a trace.',
      ),
    ratio: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('Share of the traces that is kept, for the samplers with a ratio.'),
    spansPerSecond: count
      .max(1_000_000)
      .default(1000)
      .describe('Spans that are kept a second at the most; of one caller half as many.'),
  })
  .prefault({})
  .describe('Traces of calls, for a collector of OpenTelemetry.');

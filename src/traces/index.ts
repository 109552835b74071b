/** The door of the room: the spans of calls, for a collector of OpenTelemetry. */
export { createTraces } from './traces.ts';
export type { Traces, TracesView } from './traces.ts';
export type { SpanCounts } from './types.ts';

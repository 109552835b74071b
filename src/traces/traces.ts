/** The traces of one node: which calls are kept, and where their spans go. */
import type { CallTracer } from '../gateway/index.ts';
import type { Startable } from '../core/index.ts';
import { createExporter } from './exporter.ts';
import type { ExporterComponents, ExporterInit } from './exporter.ts';
import { createTracer } from './tracer.ts';
import type { TracerInit } from './tracer.ts';
import type { SpanCounts } from './types.ts';

/** What the operator is told of the traces. */
export interface TracesView extends SpanCounts {
  /** Scheme, host and port of the collector. */
  readonly to: string;
  /** Why the collector does not take spans now. */
  readonly trouble?: string;
}

/** Keeps and sends spans. */
export interface Traces extends Startable {
  readonly tracer: CallTracer;
  view(): TracesView;
}

/** Makes the traces of a node that has a collector. */
export function createTraces(
  components: ExporterComponents,
  init: ExporterInit & TracerInit,
): Traces {
  const exporter = createExporter(components, init);
  const tracer = createTracer({ clock: components.clock, keep: exporter.keep }, init);
  const { origin } = new URL(init.url);
  return {
    tracer,
    start: () => exporter.start(),
    stop: () => exporter.stop(),
    view() {
      const trouble = exporter.trouble();
      return {
        to: origin,
        ...exporter.counts(),
        limited: tracer.limited(),
        ...(trouble === undefined ? {} : { trouble }),
      };
    },
  };
}

/** The collector of traces in the configuration, made into what the node asks; variables expanded. */
import { readEntry } from './servers/mcp-servers.ts';
import type { ReadServersInit } from './servers/mcp-servers.ts';
import type { FileConfig } from './schema/schema.ts';
import type { Problem } from './problems.ts';
import type { Config } from './types.ts';

/** Below the endpoint that people give (OpenTelemetry, "OTLP Exporter Configuration"). */
const TRACES_PATH = '/v1/traces';
const KEY = 'telemetry.otlp';
const NAME = 'otlp';

/** The part of `telemetry`; what is wrong with the collector goes to `problems`. */
export function readTelemetry(
  { otlp, ...rest }: FileConfig['telemetry'],
  init: ReadServersInit,
  problems: Problem[],
): Config['telemetry'] {
  const { endpoint, headers } = otlp;
  if (endpoint === undefined) return rest;
  // Addresses and headers of servers have the same forms, and the same care for what goes without TLS.
  const read = readEntry(NAME, { type: 'http', url: endpoint, headers }, init);
  const prefix = `mcpServers.${NAME}`;
  for (const { key, text } of read.problems) {
    const part = key.startsWith(prefix) ? key.slice(prefix.length) : `.${key}`;
    problems.push({ key: `${KEY}${part.replace('.url', '.endpoint')}`, text });
  }
  const { server } = read;
  if (server?.type !== 'http') return rest;
  const url = new URL(server.url);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${TRACES_PATH}`;
  url.hash = '';
  return { ...rest, otlp: { url: url.href, headers: server.headers } };
}

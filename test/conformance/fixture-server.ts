/**
 * The server that the public conformance suite is run against, directly and through nodes.
 * `--era legacy` (2025-11-25, the default) or `--era modern` (2026-07-28); on stdio, or with
 * `--http <port>` (0 for a free one) on loopback, when it prints its address.
 */
import { parseArgs } from 'node:util';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { createChanges } from './fixture/changes.ts';
import { serveHttp } from './fixture/http.ts';
import { createFixture } from './fixture/server.ts';

const { values } = parseArgs({
  options: { era: { type: 'string', default: 'legacy' }, http: { type: 'string' } },
});
const { era } = values;
if (era !== 'legacy' && era !== 'modern') throw new Error(`--era ${era}: legacy or modern`);

const changes = createChanges();
const onError = (error: Error): void => void process.stderr.write(`${error.message}\n`);

if (values.http !== undefined) {
  const port = Number(values.http);
  process.stdout.write(`${await serveHttp({ era, port, changes, onError })}\n`);
} else if (era === 'modern') {
  const factory = (): ReturnType<typeof createFixture> =>
    createFixture({ changes, announces: true, onError });
  serveStdio(factory, { legacy: 'reject', onerror: onError });
} else {
  await createFixture({ changes, announces: true, onError }).connect(new StdioServerTransport());
}

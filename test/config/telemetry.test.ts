/** Where traces go, by the file and by the variables that all programs with OpenTelemetry have. */
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { Config } from '../../src/config/index.ts';

type Flags = Parameters<typeof loadConfig>[0]['flags'];

async function telemetry(
  flags: Flags,
  env: Readonly<Record<string, string>> = {},
): Promise<Config['telemetry']> {
  const config = await loadConfig({ env: { STARLING_CONFIG: '', ...env }, flags });
  return config.telemetry;
}

function revealed({ otlp }: Config['telemetry']): unknown {
  if (otlp === undefined) return undefined;
  const headers = Object.entries(otlp.headers).map(([name, secret]) => [name, secret.reveal()]);
  return { url: otlp.url, headers: Object.fromEntries(headers) as unknown };
}

it('are sent nowhere unless somebody says where', async () => {
  expect(await telemetry({})).toEqual({
    serviceName: 'starling',
    sampler: 'parentbased_always_on',
    ratio: 1,
    spansPerSecond: 1000,
  });
  // A key without an address is for whoever else reads these variables.
  expect(await telemetry({}, { OTEL_EXPORTER_OTLP_HEADERS: 'k=v' })).not.toHaveProperty('otlp');
});

it('go below the endpoint that the file names, with its headers', async () => {
  const otlp = {
    endpoint: 'https://collector.example/otlp/',
    headers: { 'x-key': '${COLLECTOR_KEY}' },
  };
  const read = await telemetry({ telemetry: { otlp } }, { COLLECTOR_KEY: 'of it' });
  expect(revealed(read)).toEqual({
    url: 'https://collector.example/otlp/v1/traces',
    headers: { 'x-key': 'of it' },
  });
  expect(JSON.stringify(read)).not.toContain('of it');
});

it('are as the standard variables say', async () => {
  const read = await telemetry(
    {},
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b, authorization = Bearer%20c=d ,',
      OTEL_SERVICE_NAME: 'lab',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    },
  );
  expect(read).toMatchObject({ serviceName: 'lab', sampler: 'parentbased_traceidratio' });
  expect(read.ratio).toBe(0.25);
  expect(revealed(read)).toEqual({
    url: 'http://127.0.0.1:4318/v1/traces',
    headers: { 'x-key': 'a b', authorization: 'Bearer c=d' },
  });
});

it('what those say to other programs, and is no word of ours, is passed over', async () => {
  const read = await telemetry(
    {},
    {
      OTEL_TRACES_SAMPLER: 'jaeger_remote',
      OTEL_TRACES_SAMPLER_ARG: 'endpoint=http://localhost:14250',
      OTEL_EXPORTER_OTLP_HEADERS: 'no pair',
      OTEL_METRICS_EXPORTER: 'none',
    },
  );
  expect(read).toMatchObject({ sampler: 'parentbased_always_on', ratio: 1 });
});

it.each([
  [{ otlp: { endpoint: 'collector' } }, 'telemetry.otlp.endpoint'],
  [{ otlp: { endpoint: 'ftp://collector' } }, 'telemetry.otlp.endpoint'],
  [{ otlp: { endpoint: 'http://a.example', headers: { a: '${NOT_SET}' } } }, 'NOT_SET'],
  [{ sampler: 'often' }, 'always_on, always_off, traceidratio'],
  [{ ratio: 2 }, 'telemetry.ratio'],
  [{ spansPerSecond: 0 }, 'telemetry.spansPerSecond'],
])('%j is refused, and no value that may be a secret is told', async (written, says) => {
  const failing = telemetry({ telemetry: written } as Flags);
  await expect(failing).rejects.toMatchObject({ code: 'STARLING_CONFIG_INVALID' });
  const error = (await failing.catch((one: unknown) => one)) as Error;
  expect(error.message).toContain(says);
});

it('a key is not told by an error, nor an address that may hold one', async () => {
  const otlp = { endpoint: 'collector-with-key-4711', headers: { 'bad name': 'k-4712' } };
  const error = (await telemetry({ telemetry: { otlp } }).catch((one: unknown) => one)) as Error;
  expect(`${error.message} ${JSON.stringify(error)}`).not.toMatch(/471[12]/);
});

/** Secrets, health and logging. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret, createHealth, createLogger } from '../../src/core/index.ts';
import { parseLogSpec } from '../../src/core/logger.ts';

describe('a secret', () => {
  const secret = new Secret('hunter2');

  it('is shown only by reveal', () => {
    expect(secret.reveal()).toBe('hunter2');
    const shown = [
      String(secret),
      ['joined', secret].join(' '),
      JSON.stringify({ secret }),
      inspect({ deep: [secret] }, { showHidden: true, depth: 9 }),
      JSON.stringify(Object.entries(secret)),
    ].join(' ');
    expect(shown).not.toContain('hunter2');
    expect(shown).toContain('***');
  });
});

describe('health', () => {
  it('lists warnings in the order in which they were first raised, until they are cleared', () => {
    const health = createHealth();
    health.raise({ code: 'a', text: 'first', hint: 'mend it' });
    health.raise({ code: 'b', text: 'second', hint: 'mend it' });
    health.raise({ code: 'a', text: 'first, again', hint: 'mend it' });
    expect(health.warnings().map((warning) => warning.text)).toEqual(['first, again', 'second']);
    health.clear('a');
    health.clear('a');
    expect(health.warnings().map((warning) => warning.code)).toEqual(['b']);
  });
});

describe('log levels', () => {
  it.each([
    ['', 'gateway', 'warn'],
    ['info', 'gateway', 'info'],
    ['info,gateway=debug', 'gateway:session', 'debug'],
    ['info,gateway=debug', 'gatewayish', 'info'],
    ['gateway=debug,gateway:session=error,silent', 'gateway:session', 'error'],
    ['gateway=debug,gateway:session=error,silent', 'network', 'silent'],
    ['loud,gateway=louder', 'gateway', 'warn'],
  ])('%j sets %s to %s', (spec, namespace, level) => {
    expect(parseLogSpec(spec)(namespace)).toBe(level);
  });
});

describe('the logger', () => {
  it('appends lines with room, level and fields, and hides secrets', async () => {
    const root = await mkdtemp(join(tmpdir(), 'starling-log-'));
    try {
      const file = join(root, 'node.log');
      const logger = createLogger({ spec: 'error,gateway=info', file });
      logger.info({}, 'not wanted');
      logger
        .child('gateway')
        .child('session')
        .info({ peer: 'bob', token: new Secret('x') }, 'opened');
      logger.child('network').error({}, 'broken');
      const lines = (await readFile(file, 'utf8')).trim().split('\n');
      expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
        { level: 30, ns: 'gateway:session', peer: 'bob', token: '***', msg: 'opened' },
        { level: 50, ns: 'network', msg: 'broken' },
      ]);
      expect((await stat(file)).isFile()).toBe(true);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it('says which file it can not open', () => {
    const file = join(tmpdir(), 'no-such-starling-folder', 'node.log');
    expect(() => createLogger({ spec: 'info', file })).toThrow(
      expect.objectContaining({
        code: 'STARLING_CONFIG_INVALID',
        message: expect.stringContaining(file),
      }),
    );
  });
});

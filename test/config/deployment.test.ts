/** The files of `config/` by which others run nodes say only what Starling knows. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { EXIT } from '../../src/core/exit-codes.ts';
import { loadConfig } from '../../src/config/index.ts';

const CONFIG = resolve(import.meta.dirname, '../../config');
const exec = promisify(execFile);
const textOf = (name: string): Promise<string> => readFile(resolve(CONFIG, name), 'utf8');

describe('the compose file', () => {
  it('runs three nodes of one mesh, whose variables make a configuration each', async () => {
    const { services } = parse(await textOf('container/compose.yaml'), { merge: true }) as {
      readonly services: Readonly<
        Record<string, { readonly environment: NodeJS.ProcessEnv; readonly read_only: boolean }>
      >;
    };
    expect(Object.keys(services)).toEqual(['alice', 'bob', 'carol']);
    for (const [name, { environment, read_only: isReadOnly }] of Object.entries(services)) {
      const config = await loadConfig({ env: { ...environment, STARLING_CONFIG: '' }, flags: {} });
      expect(config).toMatchObject({ name, open: 'lab' });
      expect(config.bootstrap).toEqual(name === 'alice' ? [] : ['/dns4/alice/tcp/4040']);
      expect(isReadOnly).toBe(true);
    }
  });
});

describe('the unit of systemd', () => {
  it('knows the exit codes, and keeps what is secret for the service', async () => {
    const unit = await textOf('systemd/starling.service');
    const valueOf = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
    expect(valueOf('RestartPreventExitStatus')).toBe(String(EXIT.misused));
    expect(valueOf('SuccessExitStatus')).toBe(`${EXIT.interrupted} ${EXIT.terminated}`);
    expect(valueOf('LoadCredential')).toMatch(/^passphrase:/);
    expect(valueOf('Delegate')).toBe('yes');
    expect(unit).toContain('Environment=STARLING_PASSPHRASE_FILE=%d/passphrase');
  });

  it('has no word that systemd does not know', async () => {
    const path = resolve(CONFIG, 'systemd/starling.service');
    // Absent on machines that systemd does not run: then the words were checked where it does.
    const verified = await exec('systemd-analyze', ['verify', path]).catch(
      (error: { readonly code?: unknown; readonly stderr?: string }) =>
        error.code === 'ENOENT' ? { stderr: '' } : { stderr: error.stderr ?? String(error) },
    );
    const lines = verified.stderr.split('\n').filter((line) => line.includes('starling.service'));
    expect(lines).toEqual([]);
  });
});

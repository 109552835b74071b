/** A folder with a config file, for the tests that load one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { Config, ConfigSources } from '../../src/config/index.ts';
import { StarlingError } from '../../src/core/index.ts';

/** The folder of the test that runs. */
export interface ConfigFolder {
  readonly root: string;
  readonly file: string;
  /** Loads `content` as the config file. */
  readonly load: (content: unknown, more?: Partial<ConfigSources>) => Promise<Config>;
}

/** Makes a folder for each test of the file that calls this. */
export function useConfigFolder(): ConfigFolder {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'starling-config-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  const fileIn = (): string => join(root, 'starling.json');
  return {
    get root() {
      return root;
    },
    get file() {
      return fileIn();
    },
    async load(content, more = {}) {
      const file = fileIn();
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
      return loadConfig({ file, env: { HOME: root }, flags: {}, ...more });
    },
  };
}

/** The problems that loading must find, one a line. */
export async function problemsOf(loading: Promise<Config>): Promise<readonly string[]> {
  try {
    await loading;
  } catch (error) {
    if (error instanceof StarlingError && error.code === 'STARLING_CONFIG_INVALID') {
      const { problems } = error.data;
      for (const problem of problems as string[]) expect(error.message).toContain(problem);
      return problems as string[];
    }
    throw error;
  }
  throw new Error('the configuration was taken, but should have been refused');
}

/** `starling demo`: stories that are told by three real processes of this machine, which are gone when they end. */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAtExit } from '../remove-at-exit.ts';
import { selfHeal } from './self-heal.ts';
import { Stage } from './stage.ts';
import { swarm } from './swarm.ts';

const STORIES = { 'self-heal': selfHeal, swarm } as const;
/** Names of the stories. */
export type DemoName = keyof typeof STORIES;

/** How a story is told. */
export interface DemoInit {
  readonly name: DemoName;
  /** The built command line, which the nodes are started by. */
  readonly cli: string;
  /** Hears each line. */
  readonly print: (line: string) => void;
}

/** Tells a story to its end. Rejects where something did not come as it should. */
export async function runDemo({ cli, name, print }: DemoInit): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'starling-demo-'));
  const kept = removeAtExit(root);
  const stage = new Stage({ cli, root, print });
  try {
    await STORIES[name](stage);
  } finally {
    await stage.end();
    await rm(root, { recursive: true, force: true, maxRetries: 10 });
    kept();
  }
}

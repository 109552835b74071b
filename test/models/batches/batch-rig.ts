/** The batches of a node at the double of a vendor, as the test files of this folder share them. */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { Secret, silentLogger } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { createExchanger } from '../../../src/gateway/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { createBatches } from '../../../src/models/batches/batches.ts';
import type { BatchesComponents } from '../../../src/models/batches/batches.ts';
import { createProviders, createQuotas, createUsageBook } from '../../../src/models/index.ts';
import type { BatchView } from '../../../src/models/types.ts';
import type { Table } from '../../../src/store/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { startBatchVendor } from './fake-batches.ts';
import type { FakeBatches } from './fake-batches.ts';

/** The key of the provider, which nothing that is kept or said may hold. */
export const KEY = 'sk-never-to-be-seen';
export const EDITOR: Principal = { kind: 'client', name: 'editor', scopes: ['*'] };
export const OPENAI = 'openai/gpt-5-mini';
export const CLAUDE = 'claude/claude-haiku-4-5';
export const MINUTE = 60_000;
export const DAY = 86_400_000;

/** The batches of one node, and what is seen of them from outside. */
export interface Rig {
  readonly batches: ReturnType<typeof createBatches>;
  readonly clock: ReturnType<typeof createTestClock>;
  readonly rows: Map<string, Uint8Array>;
  /** What the audit log has, what was held, and what was spent of it. */
  readonly notes: JsonObject[];
  readonly held: JsonObject[];
  readonly spent: (JsonObject | undefined)[];
  readonly usage: ReturnType<typeof createUsageBook>;
  /** Time goes on, and what then happens at the wire is over. */
  pass(ms: number): Promise<void>;
}

/** What a rig begins with besides what is on its disk. */
export interface RigOptions {
  readonly room?: JsonObject;
  readonly denied?: string;
  readonly quotas?: JsonObject;
  /** The disk, over the rows; default: one that takes everything. */
  readonly table?: (rows: Map<string, Uint8Array>) => Table;
}

/** The rigs of one test file, and the vendor that they ask. */
export interface BatchRigs {
  readonly vendor: FakeBatches;
  /** Starts batches over what is on a disk, a new one where nothing is given; they stop with the file. */
  start(rows?: Map<string, Uint8Array>, options?: RigOptions): Promise<Rig>;
  /** How often the vendor was asked to make a batch. */
  creates(): number;
}

/** Starts a vendor for one test file, and empties it before each test. */
export function batchRigs(): BatchRigs {
  const rigs: Rig[] = [];
  let vendor: FakeBatches;
  beforeAll(async () => {
    vendor = await startBatchVendor();
  });
  afterAll(async () => {
    for (const rig of rigs) await rig.batches.stop();
    await vendor.stop();
  });
  beforeEach(() => {
    for (const list of [vendor.got, vendor.mishaps, vendor.batches]) list.splice(0);
  });
  return {
    get vendor() {
      return vendor;
    },
    async start(rows = new Map<string, Uint8Array>(), options = {}) {
      const rig = await startRig(vendor, rows, options);
      rigs.push(rig);
      return rig;
    },
    creates: () =>
      vendor.got.filter(({ method, path }) => method === 'POST' && path.endsWith('/batches'))
        .length,
  };
}

/** Three providers at the vendor, one at an address where the vendor has nothing, and a route. */
function configOf(vendor: FakeBatches, quotas: JsonObject): object {
  const provider = (api: 'openai' | 'anthropic' | 'google') => ({
    api,
    endpoint: `${vendor.url}/v1`,
    headers: { 'x-api-key': new Secret(KEY) },
    models: [],
    limits: {},
    tier: 'central',
    timeoutMs: 5000,
    problems: [],
  });
  return {
    providers: {
      openai: provider('openai'),
      claude: provider('anthropic'),
      gemini: provider('google'),
      bare: { ...provider('openai'), endpoint: `${vendor.url}/nothing/v1` },
    },
    routes: { cheap: { models: [OPENAI] } },
    prices: {},
    contexts: {},
    quotas,
  };
}

const decided = (isDenied: boolean): object =>
  isDenied ? { allow: false, refusal: { text: 'no' }, hint: 'ask' } : { allow: true };

async function startRig(
  vendor: FakeBatches,
  rows: Map<string, Uint8Array>,
  { room = {}, denied, quotas = {}, table = memoryTable }: RigOptions,
): Promise<Rig> {
  const clock = createTestClock();
  const config = configOf(vendor, quotas);
  const exchanger = createExchanger({ clock });
  const [notes, held, spent]: [JsonObject[], JsonObject[], (JsonObject | undefined)[]] = [
    [],
    [],
    [],
  ];
  const over = { over: (_: boolean, cost?: JsonObject) => (spent.push(cost), {}) };
  const components = {
    config: () => config,
    providers: createProviders({ config: () => config as never, exchanger, clock }),
    quotas: createQuotas(clock, () => quotas as never),
    usage: createUsageBook({ table: memoryTable(), clock, logger: silentLogger }),
    guard: () => ({ decide: (by: Principal) => decided('name' in by && by.name === denied) }),
    audit: { isOn: true, append: async () => 7, note: (one: JsonObject) => notes.push(one) },
    spendings: {
      room: async () => room,
      begin: async ({ worst }: { worst: JsonObject }) => {
        held.push(worst);
        return { ...over, held: [{ rowId: 'budget', amount: 1 }] };
      },
      takeUp: async () => ({ ...over, held: [] }),
    },
    self: 'box',
    table: table(rows),
    clock,
    logger: silentLogger,
  };
  const batches = createBatches(components as unknown as BatchesComponents, {
    messageBytes: 1024 * 1024,
  });
  await batches.start();
  return {
    batches,
    clock,
    rows,
    notes,
    held,
    spent,
    usage: components.usage,
    async pass(ms) {
      clock.advance(ms);
      // The turn of each batch is over once nothing has come at the wire, and nothing was written, for a while.
      for (let quiet = 0, seen = ''; quiet < 400;) {
        await new Promise((resolve) => setImmediate(resolve));
        const now = `${vendor.got.length} ${rows.size} ${JSON.stringify(batches.list(OPERATOR))}`;
        quiet = now === seen ? quiet + 1 : 0;
        seen = now;
      }
    },
  };
}

/** A request as OpenAI has them. */
export const ask = (custom_id: string, content: string, more: JsonObject = {}): JsonObject => ({
  custom_id,
  body: { messages: [{ role: 'user', content }], max_tokens: 50, ...more },
});
/** A request as Anthropic has them. */
export const tell = (custom_id: string, content: string): JsonObject => ({
  custom_id,
  params: { messages: [{ role: 'user', content }], max_tokens: 50 },
});
/** The batch that was submitted last, as the operator sees it. */
export const stateOf = ({ batches }: Rig): BatchView | undefined =>
  batches.list(OPERATOR).batches[0];

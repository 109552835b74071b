/** The operator's tools over the pins: what is shown, and what a reference stands for. */
import { describe, expect, it } from 'vitest';
import { pinTools } from '../../src/builtin/index.ts';
import type { PinListResult } from '../../src/builtin/index.ts';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { JsonObject, PeerId } from '../../src/core/index.ts';
import type { NamedItem } from '../../src/gateway/pins/definition.ts';
import { createPins } from '../../src/gateway/pins/pins.ts';
import type { Pins } from '../../src/gateway/pins/pins.ts';
import type { PeerView } from '../../src/membership/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

const ALICE = '12D3KooWalice' as PeerId;
const GONE = '12D3KooWgone' as PeerId;
const signal = new AbortController().signal;

const tool = (name: string, description: string): NamedItem => ({ name, description });

/** Pins over a server `files` of ours, of alice's, and of a peer that left; `read` changed in each. */
async function bench(): Promise<{
  pins: Pins;
  call: (name: string, args?: JsonObject) => Promise<JsonObject>;
}> {
  const pins = createPins(
    {
      table: memoryTable(),
      clock: createTestClock(),
      logger: silentLogger,
      health: createHealth(),
    },
    { mode: 'strict', perServerMax: 100 },
  );
  await pins.start();
  for (const owner of ['', ALICE, GONE] as const) {
    for (const text of ['reads', 'mails']) {
      const tools = [tool('read', text), tool('write', text)];
      pins.review(owner, 'files', { tools, prompts: [] });
    }
  }
  const peers = [{ peerId: ALICE, alias: 'alice' }] as PeerView[];
  const tools = pinTools({ pins, membership: { peers: () => peers } });
  return {
    pins,
    async call(name, args = {}) {
      const one = tools.find(({ definition }) => definition.name === name);
      if (one === undefined) throw new Error(`no ${name}`);
      return one.call(args, { principal: { kind: 'operator' }, signal });
    },
  };
}

describe('pin_list', () => {
  it('names each thing as an approval takes it, with its difference', async () => {
    const { call } = await bench();
    const result = (await call('pin_list')) as unknown as PinListResult;
    expect(result.pinned).toBe(6);
    expect(result.quarantined.map(({ reference }) => reference)).toEqual([
      'files/read',
      'files/write',
      'alice/files/read',
      'alice/files/write',
      `${GONE}/files/read`,
      `${GONE}/files/write`,
    ]);
    expect(result.quarantined[2]).toMatchObject({ peer: 'alice', server: 'files', kind: 'tool' });
    expect(result.quarantined[0]?.difference).toContain('+   "description": "mails",');
  });

  it('can be narrowed', async () => {
    const { call } = await bench();
    const result = (await call('pin_list', { filter: 'alice/' })) as unknown as PinListResult;
    expect(result.quarantined.map(({ reference }) => reference)).toEqual([
      'alice/files/read',
      'alice/files/write',
    ]);
  });

  it('is for the operator alone, and so is approving', async () => {
    const { pins } = await bench();
    const tools = pinTools({ pins, membership: { peers: () => [] } });
    expect(tools.map(({ clients, peers }) => [clients, peers])).toEqual([
      ['no', 'no'],
      ['no', 'no'],
    ]);
  });
});

describe('pin_approve', () => {
  const approved = async (args: JsonObject): Promise<unknown> => {
    const { call } = await bench();
    const result = await call('pin_approve', args);
    return (result['approved'] as JsonObject[]).map(({ reference }) => reference);
  };

  it('takes one tool, all of a server, or everything', async () => {
    expect(await approved({ reference: 'alice/files/read' })).toEqual(['alice/files/read']);
    expect(await approved({ reference: 'files' })).toEqual(['files/read', 'files/write']);
    expect(await approved({ reference: 'alice/files' })).toHaveLength(2);
    expect(await approved({ all: true })).toHaveLength(6);
  });

  it('lets the tool be listed again', async () => {
    const { pins, call } = await bench();
    await call('pin_approve', { reference: 'alice/files/read' });
    const tools = [tool('read', 'mails'), tool('write', 'mails')];
    const { allowed } = pins.review(ALICE, 'files', { tools, prompts: [] });
    expect(allowed.tools.map(({ name }) => name)).toEqual(['read']);
  });

  it.each([[{}], [{ all: false }], [{ all: true, reference: 'files' }]])(
    'needs to know exactly what: %j',
    async (args) => {
      const { call } = await bench();
      await expect(call('pin_approve', args)).rejects.toMatchObject({ code: 'STARLING_USAGE' });
    },
  );

  it('refuses a name that is nothing, or two things', async () => {
    const { pins, call } = await bench();
    await expect(call('pin_approve', { reference: 'files/nothing' })).rejects.toMatchObject({
      code: 'STARLING_TOOL_UNKNOWN',
      hint: 'see what is: starling pin list',
    });
    for (const text of ['a', 'b']) {
      pins.review('', 'alice', { tools: [tool('files', text)], prompts: [] });
    }
    await expect(call('pin_approve', { reference: 'alice/files' })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
    });
  });
});

import { describe, expect, it, vi } from 'vitest';
import { createPartStack, createScope, stopAll, thenStop } from '../../src/core/index.ts';
import { createTestClock } from './test-clock.ts';

/** Lets promise chains of a few links run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a scope', () => {
  it('ends what it owns, newest first, once', () => {
    const scope = createScope(createTestClock());
    const ended: string[] = [];
    scope.add(() => ended.push('first'));
    scope.add(() => ended.push('second'));
    scope.close();
    scope.close();
    expect(ended).toEqual(['second', 'first']);
    expect(scope.closed).toBe(true);
    expect(scope.signal.aborted).toBe(true);
  });

  it('ends the rest when one cleanup throws, and tells of it', () => {
    const errors: unknown[] = [];
    const scope = createScope(createTestClock(), (error) => errors.push(error));
    const ended: string[] = [];
    scope.add(() => ended.push('first'));
    scope.add(() => {
      throw new Error('stuck');
    });
    scope.close();
    expect(ended).toEqual(['first']);
    expect(errors).toEqual([new Error('stuck')]);
  });

  it('runs at once what is added after it was closed', () => {
    const scope = createScope(createTestClock());
    scope.close();
    const cleanup = vi.fn<() => void>();
    scope.add(cleanup);
    expect(cleanup).toHaveBeenCalledOnce();
  });

  it('runs a task after its delay, unless cancelled or closed before', () => {
    const clock = createTestClock();
    const scope = createScope(clock);
    const ran: string[] = [];
    scope.after(100, () => ran.push('kept'));
    const cancel = scope.after(100, () => ran.push('cancelled'));
    scope.after(300, () => ran.push('too late'));
    cancel();
    cancel();
    clock.advance(99);
    expect(ran).toEqual([]);
    clock.advance(1);
    expect(ran).toEqual(['kept']);
    scope.close();
    clock.advance(1000);
    expect(ran).toEqual(['kept']);
    expect(clock.waiting()).toBe(0);
  });

  it('repeats a task, never twice at the same time', async () => {
    const clock = createTestClock();
    const scope = createScope(clock);
    let runs = 0;
    let finish: (() => void) | undefined;
    scope.every(10, () => {
      runs += 1;
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    clock.advance(10);
    await settle();
    clock.advance(100);
    await settle();
    expect(runs).toBe(1);
    finish?.();
    await settle();
    clock.advance(10);
    await settle();
    expect(runs).toBe(2);
    scope.close();
    finish?.();
    await settle();
    expect(clock.waiting()).toBe(0);
  });

  it('goes on repeating a task that throws, and tells each time', async () => {
    const clock = createTestClock();
    const errors: unknown[] = [];
    const scope = createScope(clock, (error) => errors.push(error));
    scope.every(10, () => {
      throw new Error('again');
    });
    for (let round = 0; round < 3; round += 1) {
      clock.advance(10);
      await settle();
    }
    scope.close();
    expect(errors).toHaveLength(3);
  });
});

describe('parts that build on each other', () => {
  /** A part that notes what happens to it. */
  const part = (
    name: string,
    heard: string[],
    fails: { start?: boolean; stop?: boolean } = {},
  ): { start(): Promise<void>; stop(): Promise<void> } => ({
    async start() {
      heard.push(`+${name}`);
      if (fails.start === true) throw new Error(`${name} does not start`);
    },
    async stop() {
      heard.push(`-${name}`);
      if (fails.stop === true) throw new Error(`${name} does not stop`);
    },
  });

  it('are stopped in the opposite order, once', async () => {
    const heard: string[] = [];
    const stack = createPartStack(() => undefined);
    for (const name of ['ground', 'walls', 'roof']) await stack.start(part(name, heard));
    await stack.stop();
    await stack.stop();
    expect(heard).toEqual(['+ground', '+walls', '+roof', '-roof', '-walls', '-ground']);
  });

  it('are all stopped though some of them fail, and the first error is told', async () => {
    const heard: string[] = [];
    const others: unknown[] = [];
    const stack = createPartStack((error) => others.push(error));
    await stack.start(part('ground', heard, { stop: true }));
    await stack.start(part('walls', heard));
    await stack.start(part('roof', heard, { stop: true }));
    await expect(stack.stop()).rejects.toThrow('roof does not stop');
    expect(heard.slice(3)).toEqual(['-roof', '-walls', '-ground']);
    expect(others).toEqual([new Error('ground does not stop')]);
  });

  it('include the one that failed to start: it may have begun something', async () => {
    const heard: string[] = [];
    const stack = createPartStack(() => undefined);
    await stack.start(part('ground', heard));
    await expect(stack.start(part('walls', heard, { start: true }))).rejects.toThrow('not start');
    await stack.stop();
    expect(heard).toEqual(['+ground', '+walls', '-walls', '-ground']);
  });

  it('are stopped once more where they come up though they were stopped meanwhile', async () => {
    const heard: string[] = [];
    const stack = createPartStack(() => undefined);
    await stack.start(part('ground', heard));
    let comeUp = (): void => undefined;
    const slow = {
      ...part('slow', heard),
      async start() {
        await new Promise<void>((resolve) => {
          comeUp = resolve;
        });
        heard.push('+slow');
      },
    };
    const started = stack.start(slow);
    await stack.stop();
    comeUp();
    await started;
    expect(heard).toEqual(['+ground', '-slow', '-ground', '+slow', '-slow']);
  });

  it('are stopped one after the other, each after the end of the one before', async () => {
    const heard: string[] = [];
    const slow = {
      async stop() {
        await settle();
        heard.push('slow');
      },
    };
    await stopAll([slow, part('next', heard)], () => undefined);
    expect(heard).toEqual(['slow', '-next']);
  });
});

describe('a part that is stopped after some work', () => {
  const stuck = { stop: () => Promise.reject(new Error('stuck')) };

  it('gives what the work gave, and tells when it did not stop', async () => {
    let stops = 0;
    const part = { stop: async () => void (stops += 1) };
    expect(
      await thenStop(
        part,
        async () => 'done',
        () => undefined,
      ),
    ).toBe('done');
    expect(stops).toBe(1);
    await expect(
      thenStop(
        stuck,
        async () => 'done',
        () => undefined,
      ),
    ).rejects.toThrow('stuck');
  });

  it('never hides why the work failed', async () => {
    const heard: unknown[] = [];
    const work = (): Promise<never> => Promise.reject(new Error('the work failed'));
    await expect(thenStop(stuck, work, (error) => heard.push(error))).rejects.toThrow('the work');
    expect(heard).toEqual([new Error('stuck')]);
  });
});

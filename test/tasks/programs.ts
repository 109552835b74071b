/** Programs with agents, beside nodes with tasks; what a test has made is closed after it. */
import { afterEach } from 'vitest';
import type { AgentCall } from '../../src/agents/index.ts';
import { attachedClient } from '../../src/guard/index.ts';
import { makeTaskWorld, turns } from './world.ts';
import type { TaskNode, TaskWorld } from './world.ts';

/** Makes the nodes of a test, and closes its programs. */
export interface AgentPrograms {
  readonly makeWorld: (...names: readonly string[]) => Promise<TaskWorld>;
  /** Gives the program, which is closed after the test. */
  readonly closes: <T extends { close(): Promise<unknown> }>(program: T) => T;
}

/** For a file of tests, each of which has one world. */
export function agentPrograms(): AgentPrograms {
  let made: TaskWorld | undefined;
  const programs: { close(): Promise<unknown> }[] = [];
  afterEach(async () => {
    const closed = programs.splice(0).map((program) => program.close());
    // A look into an inbox ends with its time.
    for (let at = 0; at < 4; at += 1) {
      made?.world.clock.advance(10_000);
      await turns();
    }
    await Promise.all(closed);
    await made?.stop();
    made = undefined;
  });
  return {
    async makeWorld(...names) {
      made = await makeTaskWorld(...names);
      return made;
    },
    closes(program) {
      programs.push(program);
      return program;
    },
  };
}

/** How the program `name`, attached to the node, calls its tools. */
export function callOf({ node }: TaskNode, name: string): AgentCall {
  return (tool, args, { signal }) => node.call(attachedClient(name), tool, args, signal);
}

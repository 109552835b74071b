/** Gossip flows among members, at once after the hello, and only from members. */
import { afterEach, describe, expect, it } from 'vitest';
import type { PeerId } from '../../src/core/index.ts';
import { makeMembers, soon, stopAll, until } from './support.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { Member } from './support.ts';

/** How often duplicate connections are looked for. */
const TIDY_MS = 10_000;

afterEach(stopAll);

const text = (word: string): Uint8Array => new TextEncoder().encode(word);

function listen(member: Member, topic: string): { heard: string[]; from: PeerId[] } {
  const heard: string[] = [];
  const from: PeerId[] = [];
  member.network.topic(topic).subscribe((data, author) => {
    heard.push(new TextDecoder().decode(data));
    from.push(author);
  });
  return { heard, from };
}

async function three(): Promise<[Member, Member, Member]> {
  const [a, b, c] = await makeMembers(['a', 'b', 'c']);
  if (a === undefined || b === undefined || c === undefined) throw new Error('three members');
  return [a, b, c];
}

describe('a topic', () => {
  it('reaches every member, over a third one too', async () => {
    const [a, b, c] = await three();
    const atA = listen(a, 'event');
    const atB = listen(b, 'event');
    const atC = listen(c, 'event');
    await b.network.dial(a.address(), soon());
    await c.network.dial(a.address(), soon());
    await until(() => {
      void b.network.topic('event').publish(text('hi'));
      return atA.heard.length > 0 && atC.heard.length > 0;
    }, 'a message at both');
    expect(atC.heard[0]).toBe('hi');
    expect(atA.heard[0]).toBe('hi');
    expect(atC.from[0]).toBe(b.id);
    expect(atB.heard).toEqual([]);
  });

  it('may be subscribed to after the others, and left again', async () => {
    const [a, b] = await three();
    listen(a, 'late');
    await b.network.dial(a.address(), soon());
    const heard: string[] = [];
    const leave = b.network.topic('late').subscribe((data) => void heard.push(String(data.length)));
    await until(() => {
      void a.network.topic('late').publish(text('x'));
      return heard.length > 0;
    }, 'a message');
    leave();
    const before = heard.length;
    await a.network.topic('late').publish(text('y'));
    // On the same stream, and later.
    const atB = listen(b, 'event');
    await until(() => {
      void a.network.topic('event').publish(text('z'));
      return atB.heard.length > 0;
    }, 'a message on another topic');
    expect(heard.length).toBe(before);
  });

  it('ignores an author that is no member, whoever passes it on', async () => {
    const [a, b, c] = await three();
    const atB = listen(b, 'event');
    const atC = listen(c, 'event');
    const atA = listen(a, 'event');
    await b.network.dial(a.address(), soon());
    await c.network.dial(a.address(), soon());
    await until(() => {
      void a.network.topic('event').publish(text('ready'));
      return atB.heard.length > 0 && atC.heard.length > 0;
    }, 'gossip among three');
    c.guests.list.delete(b.id);
    await b.network.topic('event').publish(text('from b'));
    await until(() => atA.heard.includes('from b'), 'the message of b at a, which passes it on');
    await a.network.topic('event').publish(text('from a'));
    await until(() => atC.heard.includes('from a'), 'the later message of a at c');
    expect(atC.heard).not.toContain('from b');
  });

  it('comes to all, also by a topic that does not flood', async () => {
    const members = await makeMembers(Array.from({ length: 9 }, (_, at) => `m${at}`));
    const [first] = members;
    if (first === undefined) throw new Error('nine members');
    const counts = members.slice(1).map((member) => {
      const count = { heard: new Set<string>() };
      member.network
        .topic('quiet')
        .subscribe((data) => void count.heard.add(Buffer.from(data).toString()));
      return count;
    });
    first.network.topic('quiet').subscribe(() => undefined);
    for (const { network } of members.slice(1)) await network.dial(first.address(), soon());
    let looks = 0;
    await until(() => {
      // Not at each look: nine members would check signatures until the second in which they choose whom they tell.
      if (looks % 10 === 0) {
        const quiet = first.network.topic('quiet', undefined, { floods: false });
        void quiet.publish(text(String(looks)));
      }
      looks += 1;
      return counts.every(({ heard }) => heard.size > 0);
    }, 'one of these messages at each');
  });

  it('refuses a message over 64 KiB where it is published', async () => {
    const [a] = await three();
    await expect(a.network.topic('event').publish(new Uint8Array(65_537))).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
    });
    await a.network.topic('event').publish(new Uint8Array(65_536));
  });

  it('goes on over the other connection when one of two is closed', async () => {
    const clock = createTestClock();
    const [a, b] = await makeMembers(['a', 'b'], {}, { clock });
    if (a === undefined || b === undefined) throw new Error('two members');
    const atB = listen(b, 'event');
    listen(a, 'event');
    await Promise.all([a.network.dial(b.address(), soon()), b.network.dial(a.address(), soon())]);
    await until(() => {
      void a.network.topic('event').publish(text('one'));
      return atB.heard.includes('one');
    }, 'gossip');
    // Tidying up closes the duplicate after its grace; a message must still pass afterwards.
    clock.advance(5 * TIDY_MS);
    await until(() => {
      void a.network.topic('event').publish(text('two'));
      return atB.heard.includes('two');
    }, 'gossip afterwards');
    expect(a.network.connected()).toEqual([b.id]);
  });
});

/** Links and sessions of the dashboard: how long each lives, and what opens one. */
import { describe, expect, it } from 'vitest';
import { IDLE_MS, LINK_MS, createDashboardSessions } from '../../src/dashboard/sessions.ts';
import type { DashboardSessions, OpenedDashboard } from '../../src/dashboard/sessions.ts';
import { createTestClock } from '../core/test-clock.ts';

const FROM = '127.0.0.1';
const HOUR_MS = 3_600_000;

function fixture() {
  const clock = createTestClock();
  const sessions = createDashboardSessions({ clock });
  const open = (): OpenedDashboard => sessions.open(sessions.link().code, FROM);
  return { clock, sessions, open };
}

const isUsed = (sessions: DashboardSessions, { token, cookie }: OpenedDashboard): boolean =>
  sessions.use(token, () => cookie) !== undefined;

describe('a link of the dashboard', () => {
  it('opens one session, and no second', () => {
    const { sessions } = fixture();
    const { code } = sessions.link();
    const opened = sessions.open(code, FROM);
    expect(isUsed(sessions, opened)).toBe(true);
    expect(() => sessions.open(code, FROM)).toThrow(/opened before, or its minute is over/);
  });

  it('is over after a minute', () => {
    const { clock, sessions } = fixture();
    const [early, late] = [sessions.link(), sessions.link()];
    clock.advance(LINK_MS - 1);
    sessions.open(early.code, FROM);
    clock.advance(1);
    expect(() => sessions.open(late.code, FROM)).toThrow(/its minute is over/);
  });

  it('is made sixteen times before the oldest gives way', () => {
    const { sessions } = fixture();
    const links = Array.from({ length: 17 }, () => sessions.link());
    expect(() => sessions.open(links[0]?.code ?? '', FROM)).toThrow(/opened before/);
    for (const { code } of links.slice(1)) sessions.open(code, FROM);
    expect(() => sessions.open(sessions.link().code, FROM)).toThrow(/16 dashboards are open/);
  });
});

describe('a session of the dashboard', () => {
  it('needs both the token of the page and the cookie of the browser', () => {
    const { open, sessions } = fixture();
    const [one, other] = [open(), open()];
    expect(sessions.use(one.token, () => undefined)).toBeUndefined();
    expect(sessions.use(one.token, () => other.cookie)).toBeUndefined();
    expect(
      sessions.use(
        `${one.token.slice(0, -1)}${one.token.endsWith('A') ? 'B' : 'A'}`,
        () => one.cookie,
      ),
    ).toBeUndefined();
    expect(sessions.use('', () => one.cookie)).toBeUndefined();
    expect(isUsed(sessions, one)).toBe(true);
  });

  it('ends when it is not used for half an hour, and lives on where it is', () => {
    const { clock, open, sessions } = fixture();
    const ended: string[] = [];
    sessions.events.on('ended', (id) => ended.push(id));
    const [used, idle] = [open(), open()];
    clock.advance(IDLE_MS - 1);
    expect(isUsed(sessions, used)).toBe(true);
    clock.advance(1);
    expect(isUsed(sessions, idle)).toBe(false);
    expect(ended).toEqual([idle.id]);
    expect(sessions.list()).toMatchObject([{ id: used.id, from: FROM }]);
  });

  it('ends after half a day, however much it is used', () => {
    const { clock, open, sessions } = fixture();
    const opened = open();
    for (let hour = 0; hour < 24; hour += 0.4) {
      clock.advance(0.4 * HOUR_MS);
      if (!isUsed(sessions, opened)) break;
    }
    expect(clock.now() - createTestClock().now()).toBeLessThan(12.5 * HOUR_MS);
    expect(sessions.list()).toEqual([]);
  });

  it('ends when the page says goodbye, and when the operator ends all', () => {
    const { open, sessions } = fixture();
    const [one, two, three] = [open(), open(), open()];
    const { code } = sessions.link();
    expect(sessions.leave(one.token)).toBe(true);
    expect(sessions.leave(one.token)).toBe(false);
    expect(sessions.close()).toBe(2);
    for (const opened of [one, two, three]) expect(isUsed(sessions, opened)).toBe(false);
    expect(() => sessions.open(code, FROM)).toThrow(/opened before/);
    expect(sessions.close()).toBe(0);
  });
});

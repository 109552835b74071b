/** The door of the room: the page of the operator, and who may use it. */
export { createDashboard } from './dashboard.ts';
export type { Dashboard, DashboardLinkResult } from './dashboard.ts';
export { dashboardTools } from './tools.ts';
export type { DashboardCloseResult } from './tools.ts';

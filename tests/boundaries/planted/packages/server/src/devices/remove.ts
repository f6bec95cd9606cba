import type { Presence } from '../gateway/presence.ts'
export const remove = (presence: Presence) => presence

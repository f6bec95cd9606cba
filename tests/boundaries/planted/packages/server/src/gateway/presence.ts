export interface Presence {}
export const presence: Presence = {}

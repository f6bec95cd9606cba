import type { Queue } from './queue.ts'
export const memory: Queue = {}

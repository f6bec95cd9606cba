import './config.ts'
import './queue/memory.ts'
import './threads/log.ts'
export const main = 1

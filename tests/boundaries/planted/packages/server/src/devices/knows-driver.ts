// breaks: only-main-and-threads-name-drivers
export const driver = await import('../queue/memory.ts')

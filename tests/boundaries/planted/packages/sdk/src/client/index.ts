import '../../../protocol/src/index.ts'
export const client = 1

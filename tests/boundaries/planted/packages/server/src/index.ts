import './main.ts'
export const server = 1

import './circle-one.ts'
export const two = 2

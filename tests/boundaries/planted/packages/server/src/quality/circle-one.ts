// breaks: no-circles
import './circle-two.ts'
export const one = 1

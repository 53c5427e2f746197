module nactor

go 1.26.0

#include "textflag.h"

// The least limits under which Go's runtime starts, and aex has room to work.
#define LEAST_SPACE $0x60000000
#define LEAST_FILES $64

// getrlimit(RLIMIT_AS) and getrlimit(RLIMIT_NOFILE), and on to Go where both are
// enough or cannot be told. Of open files the hard limit counts: Go raises the
// other to it. The stack is as the kernel left it when Go begins.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	SUBQ $32, SP
	MOVQ $97, AX
	MOVQ $9, DI
	MOVQ SP, SI
	SYSCALL
	TESTQ AX, AX
	JNE  files
	MOVQ 0(SP), CX
	MOVQ LEAST_SPACE, BX
	LEAQ ·smallSpace(SB), SI
	MOVQ $105, DX
	CMPQ CX, BX
	JCS  small

files:
	MOVQ $97, AX
	MOVQ $7, DI
	MOVQ SP, SI
	SYSCALL
	TESTQ AX, AX
	JNE  enough
	MOVQ 8(SP), CX
	MOVQ LEAST_FILES, BX
	LEAQ ·fewFiles(SB), SI
	MOVQ $90, DX
	CMPQ CX, BX
	JCC  enough

small:
	// write(2), exit_group(125)
	MOVQ $1, AX
	MOVQ $2, DI
	SYSCALL
	MOVQ $231, AX
	MOVQ $125, DI
	SYSCALL

enough:
	ADDQ $32, SP
	JMP _rt0_amd64_linux(SB)

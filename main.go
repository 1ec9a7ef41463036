// Command aex runs AI agents under a budget.
package main

func main() {}

# The archives of the release, for Homebrew on macOS and Linux.
class Aex < Formula
  desc "Run AI agents under a budget, exact to the micro-dollar"
  homepage "https://github.com/Auro-rium/aex"
  version "@VERSION@"
  license "MIT"

  on_macos do
    on_arm do
      url "https://github.com/Auro-rium/aex/releases/download/v@VERSION@/aex_@VERSION@_darwin_arm64.tar.gz"
      sha256 "@DARWIN_ARM64@"
    end
    on_intel do
      url "https://github.com/Auro-rium/aex/releases/download/v@VERSION@/aex_@VERSION@_darwin_amd64.tar.gz"
      sha256 "@DARWIN_AMD64@"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/Auro-rium/aex/releases/download/v@VERSION@/aex_@VERSION@_linux_arm64.tar.gz"
      sha256 "@LINUX_ARM64@"
    end
    on_intel do
      url "https://github.com/Auro-rium/aex/releases/download/v@VERSION@/aex_@VERSION@_linux_amd64.tar.gz"
      sha256 "@LINUX_AMD64@"
    end
  end

  def install
    bin.install "aex"
    man1.install Dir["man/man1/*.1"]
    bash_completion.install "completions/aex.bash" => "aex"
    zsh_completion.install "completions/_aex"
    fish_completion.install "completions/aex.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/aex version")
    assert_match "the budget is gone", shell_output("#{bin}/aex demo")
  end
end

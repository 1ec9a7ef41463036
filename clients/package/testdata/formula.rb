# Does with a formula what Homebrew does, as far as aex.rb uses it: ruby
# formula.rb FORMULA ARCHIVES PREFIX
require "digest"
require "fileutils"

class Place
  def initialize(dir) = @dir = dir
  def to_s = @dir

  def install(what)
    FileUtils.mkdir_p(@dir)
    if what.is_a?(Hash)
      what.each { |from, to| FileUtils.cp(from, File.join(@dir, to)) }
    else
      Array(what).each { |from| FileUtils.cp(from, @dir) }
    end
  end
end

class Formula
  class << self
    attr_reader :found, :test_block

    %i[desc homepage license].each { |word| define_method(word) { |_text| nil } }

    def version(text = nil) = text ? @version = text : @version
    def url(text) = @url = text
    def sha256(text) = (@found ||= {})[@url] = text
    %i[on_macos on_linux on_arm on_intel].each { |word| define_method(word) { |&block| block.call } }
    def test(&block) = @test_block = block
  end

  attr_reader :bin, :man1, :bash_completion, :zsh_completion, :fish_completion

  def initialize(prefix)
    @bin = Place.new("#{prefix}/bin")
    @man1 = Place.new("#{prefix}/share/man/man1")
    @bash_completion = Place.new("#{prefix}/etc/bash_completion.d")
    @zsh_completion = Place.new("#{prefix}/share/zsh/site-functions")
    @fish_completion = Place.new("#{prefix}/share/fish/vendor_completions.d")
  end

  def version = self.class.version

  def shell_output(command)
    out = `#{command}`
    raise "#{command}: #{$?}" unless $?.success?
    out
  end

  def assert_match(what, text)
    raise "#{what} is not in #{text}" unless text.include?(what)
  end
end

formula, archives, prefix = ARGV
load formula
abort "#{Aex.found.size} archives" unless Aex.found.size == 4
mine = nil
Aex.found.each do |url, sum|
  file = File.join(archives, File.basename(url))
  if File.exist?(file)
    abort "#{file} is not what the formula says" unless Digest::SHA256.file(file).hexdigest == sum
    puts "#{File.basename(file)} is what the formula says"
  end
  mine = file if url.end_with?("_linux_amd64.tar.gz")
end
Dir.mkdir("build")
system("tar", "xzf", mine, "-C", "build", "--strip-components=1", exception: true)
aex = Aex.new(prefix)
Dir.chdir("build") { aex.install }
aex.instance_eval(&Aex.test_block)
puts "installed and tested", Dir["#{prefix}/**/*"].select { |f| File.file?(f) }

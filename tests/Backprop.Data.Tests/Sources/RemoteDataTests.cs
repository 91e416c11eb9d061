using System.Collections.Immutable;
using System.Security.Cryptography;
using Backprop.Data.Formats;
using Backprop.Data.Sources;

namespace Backprop.Data.Tests.Sources;

public sealed class RemoteDataTests : IDisposable
{
    private static readonly byte[] Table = "x,y\n1,2\n3,4\n"u8.ToArray();
    private static readonly string Sha256Text = Convert.ToHexStringLower(SHA256.HashData(Table));

    private readonly DataFolder _folder = new();
    private readonly List<TimeSpan> _pauses = [];

    private string CacheDirectory => _folder.PathOf("cache");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_is_got_once_and_kept_by_its_content()
    {
        using var server = new TinyServer(TinyServer.Answer("200 OK", Table));
        using (IDataset first = Open(server))
        {
            Assert.Equal(2, first.Count);
        }

        using IDataset second = Open(server);
        Assert.Equal(1, server.Requests);
        Assert.Equal(
            [Path.Combine(CacheDirectory, Sha256Text)], Directory.GetFiles(CacheDirectory));
    }

    [Fact]
    public void A_damaged_copy_is_got_anew_and_what_was_abandoned_goes()
    {
        string copy = Path.Combine(CacheDirectory, Sha256Text);
        string old = copy + ".1.partial", young = copy + ".2.partial";
        Directory.CreateDirectory(CacheDirectory);
        Array.ForEach([copy, old, young], path => File.WriteAllText(path, "x,y\n9,9\n"));
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow - TimeSpan.FromDays(2));
        using var server = new TinyServer(TinyServer.Answer("200 OK", Table));
        using IDataset dataset = Open(server);
        Assert.Equal(Table, File.ReadAllBytes(copy));
        Assert.False(File.Exists(old));
        Assert.True(File.Exists(young), "another process may be writing it");
    }

    [Fact]
    public void What_may_pass_is_tried_again()
    {
        using var server = new TinyServer(
            TinyServer.Answer("503 Service Unavailable", []),
            TinyServer.Answer("200 OK", Table[..5], Table.Length),
            TinyServer.Answer("200 OK", Table));
        using IDataset dataset = Open(server);
        Assert.Equal(2, dataset.Count);
        Assert.Equal([TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3)], _pauses);
    }

    [Fact]
    public void What_does_not_pass_ends_with_the_url_and_the_reason()
    {
        using var server = new TinyServer(TinyServer.Answer("500 Trouble", []));
        Refused(server, $"{server.Url}: it could not be got, in 4 attempts: "
            + "the server answers 500 (Trouble); name a URL that this machine can reach");
        Assert.Equal(4, server.Requests);
    }

    [Fact]
    public void A_file_that_is_not_there_is_asked_for_once()
    {
        using var server = new TinyServer(TinyServer.Answer("404 Not Found", []));
        Refused(server, "it could not be got: the server answers 404 (Not Found)");
        Assert.Equal(1, server.Requests);
    }

    [Fact]
    public void Another_file_than_the_one_meant_is_refused()
    {
        using var server = new TinyServer(TinyServer.Answer("200 OK", "x,y\n5,6\n"u8.ToArray()));
        Refused(server, $"where the specification says {Sha256Text}");
    }

    [Fact]
    public void A_file_that_is_too_large_is_refused_before_it_is_got()
    {
        using var server = new TinyServer(TinyServer.Answer("200 OK", [], int.MaxValue));
        Refused(server, "it has 2,147,483,647 bytes or more, where 1,024 may be");
    }

    [Fact]
    public void A_silent_server_is_not_waited_for_forever()
    {
        using var server = new TinyServer(Array.Empty<byte>());
        Refused(server, "in 4 attempts: the server was silent for", TimeSpan.FromMilliseconds(50));
    }

    [Fact]
    public void A_cache_that_cannot_be_written_is_named()
    {
        _folder.Write("cache", "a file, where a directory has to be");
        using var server = new TinyServer(TinyServer.Answer("200 OK", Table));
        Refused(server, $"it cannot be kept in {CacheDirectory}", leavesDirectory: false);
    }

    [Fact]
    public void Relative_paths_start_from_the_openers_directory()
    {
        string path = _folder.Write("table.csv", Table.AsSpan().ToArray());
        var opener = new DataSourceOpener(Path.GetDirectoryName(path));
        using IDataset dataset = opener.Open(Source("table.csv"), null);
        Assert.Equal(2, dataset.Count);
        var refused = Assert.Throws<InvalidDatasetException>(
            () => opener.Open(Source("none.csv"), null));
        Assert.Contains(
            $"{_folder.PathOf("none.csv")}: there is no such file; name a file that is there",
            refused.Message);
    }

    [Theory]
    [InlineData("https://h/a", "a URL needs the SHA-256 of its file")]
    [InlineData("https://h/a#sha256=12", "a URL needs the SHA-256 of its file")]
    [InlineData("ftp://h/a", "from an http or https URL")]
    [InlineData("https://", "from an http or https URL")]
    [InlineData("https://me:secret@h/a", "must not hold a user's name or password")]
    public void A_url_that_does_not_name_its_content_is_refused(string url, string expected)
    {
        Assert.True(RemoteFile.IsUrl(url));
        Assert.False(RemoteFile.TryParse(url, out _, out string? mistake));
        Assert.Contains(expected, mistake, StringComparison.Ordinal);
    }

    private static DataSource Source(string file) => new DataSource.Table(new TableOptions
    {
        Paths = [file], Target = new TableTarget.Values(ImmutableArray.Create("y")),
    });

    private IDataset Open(TinyServer server, TimeSpan? silence = null)
    {
        var limits = new HttpLimits { MaxBytes = 1024 };
        var download = new HttpDownload(limits with { Silence = silence ?? limits.Silence });
        return new DataSourceOpener(null, new FileCache(CacheDirectory, download, _pauses.Add))
            .Open(Source($"{server.Url}#sha256={Sha256Text.ToUpperInvariant()}"), null);
    }

    private void Refused(
        TinyServer server, string expected, TimeSpan? silence = null, bool leavesDirectory = true)
    {
        var refused = Assert.Throws<InvalidDatasetException>(() => Open(server, silence));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
        Assert.Equal(leavesDirectory, Directory.Exists(CacheDirectory));
        if (leavesDirectory)
        {
            Assert.Empty(Directory.GetFiles(CacheDirectory));
        }
    }
}

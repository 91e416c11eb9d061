using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Backprop.Console.Api;

namespace Backprop.Console.Tests.Api;

public sealed class PageRoutesTests
{
    private static readonly string s_long = string.Join('\n', Enumerable.Range(0, 300));

    private static readonly (string, string)[] s_files =
    [
        ("index.html", "<!doctype html><title>Backprop</title>"),
        ("app.css", s_long),
        ("icon.svg", "<svg/>"),
        ("js/app.js", s_long),
        ("js/views/run.js", "export {};"),
        ("vendor/chart/LICENSE", "MIT"),
    ];

    [Theory]
    [InlineData("/", "text/html; charset=utf-8")]
    [InlineData("/app.css", "text/css; charset=utf-8")]
    [InlineData("/icon.svg", "image/svg+xml")]
    [InlineData("/js/views/run.js", "text/javascript; charset=utf-8")]
    [InlineData("/vendor/chart/LICENSE", "text/plain; charset=utf-8")]
    public async Task A_file_has_its_type_and_the_headers_that_guard_it(string path, string type)
    {
        await using ServedPage page = await ServedPage.StartAsync(s_files);

        using HttpResponseMessage answer = await page.Client.GetAsync(path);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(type, answer.Content.Headers.ContentType!.ToString());
        Assert.Equal("no-cache", answer.Headers.CacheControl!.ToString());
        AssertGuarded(answer);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("br, gzip", "br")]
    [InlineData("gzip, deflate, br;q=0", "gzip")]
    [InlineData("*", "br")]
    [InlineData("identity", "")]
    [InlineData("deflate", "")]
    public async Task It_is_compressed_as_the_reader_takes_it(string accepted, string coding)
    {
        await using ServedPage page = await ServedPage.StartAsync(s_files);

        using HttpResponseMessage answer = await AskAsync(page, "/app.css", accepted);

        Assert.Equal(coding, string.Join(' ', answer.Content.Headers.ContentEncoding));
        Assert.Contains("Accept-Encoding", answer.Headers.Vary);
        Assert.Equal(s_long, await TextOf(answer, coding));
    }

    [Theory]
    [InlineData("")]
    [InlineData("br")]
    [InlineData("gzip")]
    public async Task What_has_not_changed_is_not_sent_again(string accepted)
    {
        await using ServedPage page = await ServedPage.StartAsync(s_files);
        using HttpResponseMessage first = await AskAsync(page, "/js/app.js", accepted);
        EntityTagHeaderValue tag = first.Headers.ETag!;
        Assert.False(tag.IsWeak);

        using HttpResponseMessage again = await AskAsync(page, "/js/app.js", accepted, tag);
        await using ServedPage changed = await ServedPage.StartAsync(
            ("js/app.js", s_long + "changed"));
        using HttpResponseMessage other = await AskAsync(changed, "/js/app.js", accepted, tag);

        Assert.Equal(HttpStatusCode.NotModified, again.StatusCode);
        Assert.Equal(tag, again.Headers.ETag);
        Assert.Empty(await again.Content.ReadAsByteArrayAsync());
        AssertGuarded(again);
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
    }

    [Fact]
    public async Task Each_coding_has_a_tag_of_its_own()
    {
        await using ServedPage page = await ServedPage.StartAsync(s_files);
        var tags = new HashSet<string>();
        foreach (string accepted in (string[])["", "gzip", "br"])
        {
            using HttpResponseMessage answer = await AskAsync(page, "/app.css", accepted);
            tags.Add(answer.Headers.ETag!.Tag);
        }

        Assert.Equal(3, tags.Count);
    }

    [Fact]
    public async Task Its_head_is_that_of_the_file_without_the_file()
    {
        await using ServedPage page = await ServedPage.StartAsync(s_files);
        using HttpResponseMessage whole = await page.Client.GetAsync("/app.css");
        using HttpResponseMessage head = await page.Client.SendAsync(
            new HttpRequestMessage(HttpMethod.Head, "/app.css"));

        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Equal(s_long.Length, head.Content.Headers.ContentLength);
        Assert.Equal(whole.Headers.ETag, head.Headers.ETag);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("/favicon.ico")]
    [InlineData("/index.html")]
    [InlineData("/js/nothing.js")]
    [InlineData("/js/APP.JS")]
    [InlineData("/vendor/")]
    public async Task What_is_not_there_is_a_problem_that_says_so(string path)
    {
        await using ServedPage page = await ServedPage.StartAsync(s_files);

        using HttpResponseMessage answer = await page.Client.GetAsync(path);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        using JsonDocument problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Contains(path, problem.RootElement.GetProperty("detail").GetString());
        AssertGuarded(answer);
    }

    [Theory]
    [InlineData("/../backprop.dll")]
    [InlineData("/js/../../backprop.dll")]
    [InlineData("/js/..%2f..%2fbackprop.dll")]
    [InlineData("/js/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/js/..%5c..%5cetc%5cpasswd")]
    [InlineData("/js//etc/passwd")]
    [InlineData("/js/%252e%252e%252fetc%252fpasswd")]
    [InlineData("/js/app.js%00.css")]
    [InlineData("//etc/passwd")]
    public async Task No_path_leads_out_of_the_page(string path)
    {
        await using ServedPage page = await ServedPage.StartAsync(s_files);

        string answer = await page.AskAsync(path);

        Assert.Matches("^HTTP/1.1 (400|404) ", answer);
        Assert.DoesNotContain("root:", answer);
    }

    [Fact]
    public async Task The_page_takes_nothing()
    {
        await using ServedPage page = await ServedPage.StartAsync(s_files);

        using HttpResponseMessage answer = await page.Client.PostAsync(
            "/js/app.js", new StringContent("something"));

        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
    }

    [Fact]
    public async Task The_programs_own_page_comes_with_all_its_files()
    {
        string folder = Path.Combine(CommandRun.Root, "src/Backprop.Console/Page");
        IEnumerable<string> paths = Directory
            .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Select(file => "/" + Path.GetRelativePath(folder, file).Replace('\\', '/'))
            .Where(file => !file.StartsWith("/node_modules/") && !file.StartsWith("/package")
                && file != "/vendor.mjs")
            .Select(file => file == "/index.html" ? "/" : file);
        Assert.Equal(paths.Order(StringComparer.Ordinal), PageFiles.Embedded.Keys.Order(
            StringComparer.Ordinal));
        await using ServedPage page = await ServedPage.StartAsync(PageFiles.Embedded);
        foreach (string path in PageFiles.Embedded.Keys)
        {
            using HttpResponseMessage answer = await page.Client.GetAsync(path);
            Assert.True(answer.IsSuccessStatusCode, path);
        }
    }

    private static async Task<HttpResponseMessage> AskAsync(
        ServedPage page, string path, string accepted, EntityTagHeaderValue? known = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (accepted.Length > 0)
        {
            request.Headers.Add("Accept-Encoding", accepted);
        }

        if (known is not null)
        {
            request.Headers.IfNoneMatch.Add(known);
        }

        return await page.Client.SendAsync(request);
    }

    private static async Task<string> TextOf(HttpResponseMessage answer, string coding)
    {
        Stream content = await answer.Content.ReadAsStreamAsync();
        using var reader = new StreamReader(coding switch
        {
            "br" => new BrotliStream(content, CompressionMode.Decompress),
            "gzip" => new GZipStream(content, CompressionMode.Decompress),
            _ => content,
        });
        return await reader.ReadToEndAsync();
    }

    private static void AssertGuarded(HttpResponseMessage answer)
    {
        string policy = answer.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self';", policy);
        Assert.Contains("frame-ancestors 'none'", policy);
        Assert.DoesNotContain("unsafe", policy);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("no-referrer", answer.Headers.GetValues("Referrer-Policy").Single());
        Assert.Equal(
            "same-origin", answer.Headers.GetValues("Cross-Origin-Opener-Policy").Single());
        Assert.Contains("camera=()", answer.Headers.GetValues("Permissions-Policy").Single());
    }
}

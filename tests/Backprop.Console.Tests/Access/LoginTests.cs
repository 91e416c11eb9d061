using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Backprop.Console.Tests.Commands;
using Backprop.Distributed.Access;

namespace Backprop.Console.Tests.Access;

/// <summary>The page's login: cookies, and what else a request needs beside them.</summary>
public sealed class LoginTests(GuardedCluster cluster) : IClassFixture<GuardedCluster>
{
    [Fact]
    public async Task A_login_reads_with_its_cookie_and_changes_things_with_its_second_one_too()
    {
        using HttpClient http = cluster.Client();
        Login login = await LogInAsync(http, AccessRole.Operator);
        Assert.Equal(HttpStatusCode.OK, await SendAsync(http, HttpMethod.Get, "runs", login));
        Assert.Equal(
            HttpStatusCode.Forbidden,
            await SendAsync(http, HttpMethod.Post, "runs/none-1/stop", login with { Csrf = "" }));
        Assert.Equal(
            HttpStatusCode.NotFound,
            await SendAsync(http, HttpMethod.Post, "runs/none-1/stop", login));

        // What changes nothing but is not a GET, pages elsewhere may not have sent either.
        Login viewer = await LogInAsync(http, AccessRole.Viewer);
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(
            http, HttpMethod.Post, "specifications/validate", viewer with { Csrf = "" }));
        Assert.Equal(HttpStatusCode.OK, await SendAsync(
            http, HttpMethod.Post, "specifications/validate", viewer));

        // Another login's does not fit.
        Login other = await LogInAsync(http, AccessRole.Admin);
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(
            http, HttpMethod.Post, "runs/none-1/stop", login with { Csrf = other.Csrf }));
    }

    [Fact]
    public async Task Its_cookies_are_for_this_site_and_the_secret_one_not_for_scripts()
    {
        using HttpClient http = cluster.Client();
        string token = await cluster.TokenAsync(AccessRole.Viewer);
        using HttpResponseMessage answer = await http.PostAsJsonAsync(
            "api/v1/session", new { token });
        string[] cookies = [.. answer.Headers.GetValues("Set-Cookie")];
        Assert.Equal(2, cookies.Length);
        Assert.All(cookies, cookie => Assert.Contains("samesite=strict", cookie));
        Assert.All(cookies, cookie => Assert.Contains("path=/", cookie));
        Assert.All(cookies, cookie => Assert.Contains("max-age=43200", cookie));
        Assert.All(cookies, cookie => Assert.DoesNotContain(token, cookie));
        Assert.Contains(
            "httponly", cookies.Single(cookie => cookie.StartsWith("backprop-session=")));
        Assert.DoesNotContain(
            "httponly", cookies.Single(cookie => cookie.StartsWith("backprop-csrf=")));
    }

    [Fact]
    public async Task Another_node_knows_it()
    {
        await using ServedCluster node = await cluster.StartNodeAsync();
        using HttpClient here = cluster.Client();
        using HttpClient there = cluster.Client(server: node.Address);
        Login login = await LogInAsync(here, AccessRole.Viewer);
        Assert.Equal(HttpStatusCode.OK, await SendAsync(there, HttpMethod.Get, "runs", login));
    }

    [Fact]
    public async Task Who_logs_out_is_out()
    {
        using HttpClient http = cluster.Client();
        Login login = await LogInAsync(http, AccessRole.Admin);
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(
            http, HttpMethod.Delete, "session", login with { Csrf = "wrong" }));
        Assert.Equal(
            HttpStatusCode.NoContent, await SendAsync(http, HttpMethod.Delete, "session", login));
        Assert.Equal(
            HttpStatusCode.Unauthorized, await SendAsync(http, HttpMethod.Get, "runs", login));
    }

    [Fact]
    public async Task A_login_ends_with_its_token()
    {
        string token = await cluster.TokenAsync(AccessRole.Viewer);
        using HttpClient http = cluster.Client();
        Login login = await LogInAsync(http, token);
        Assert.True(TokenText.TryParse(token, out string? id));
        await cluster.Tokens.RevokeAsync(id, DateTimeOffset.UtcNow, CancellationToken.None);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await SendAsync(http, HttpMethod.Get, "runs", login) == HttpStatusCode.OK)
        {
            await Task.Delay(100, limit.Token);
        }

        Assert.Equal(
            HttpStatusCode.Unauthorized, await SendAsync(http, HttpMethod.Get, "runs", login));
    }

    [Fact]
    public async Task The_page_is_told_who_it_is_and_whether_it_has_to_say()
    {
        using HttpClient http = cluster.Client();
        JsonElement stranger = await http.GetFromJsonAsync<JsonElement>("api/v1/session");
        Assert.True(stranger.GetProperty("required").GetBoolean());
        Assert.Equal(JsonValueKind.Null, stranger.GetProperty("role").ValueKind);

        Login login = await LogInAsync(http, AccessRole.Operator);
        using HttpRequestMessage request = Request(HttpMethod.Get, "session", login);
        using HttpResponseMessage answer = await http.SendAsync(request);
        JsonElement known = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("operator", known.GetProperty("role").GetString());
        Assert.Equal("test", known.GetProperty("name").GetString());

        await using ServedCluster open = await ServedCluster.StartAsync();
        using HttpClient free = cluster.Client(server: open.Address);
        JsonElement unasked = await free.GetFromJsonAsync<JsonElement>("api/v1/session");
        Assert.False(unasked.GetProperty("required").GetBoolean());
        Assert.Equal("admin", unasked.GetProperty("role").GetString());
    }

    [Theory]
    [InlineData("""{"token":"bp_0123456789ab_nonsense"}""", HttpStatusCode.Unauthorized)]
    [InlineData("""{"token":null}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"token":{}}""", HttpStatusCode.BadRequest)]
    [InlineData("""[]""", HttpStatusCode.BadRequest)]
    [InlineData("""null""", HttpStatusCode.BadRequest)]
    [InlineData("", HttpStatusCode.BadRequest)]
    public async Task A_wrong_login_is_refused(string body, HttpStatusCode expected)
    {
        using HttpClient http = cluster.Client();
        using HttpResponseMessage answer = await http.PostAsync(
            "api/v1/session", new StringContent(body));
        Assert.Equal(expected, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        Assert.DoesNotContain("nonsense", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_cookie_that_is_no_login_is_taken_back()
    {
        using HttpClient http = cluster.Client();
        using HttpRequestMessage request = Request(
            HttpMethod.Get, "runs", new Login(TokenText.GenerateSecret(), ""));
        using HttpResponseMessage answer = await http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains(
            answer.Headers.GetValues("Set-Cookie"),
            cookie => cookie.StartsWith("backprop-session=;") && cookie.Contains("1970"));
    }

    private async Task<Login> LogInAsync(HttpClient http, AccessRole role) =>
        await LogInAsync(http, await cluster.TokenAsync(role));

    private static async Task<Login> LogInAsync(HttpClient http, string token)
    {
        using HttpResponseMessage answer = await http.PostAsJsonAsync(
            "api/v1/session", new { token });
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        string[] cookies = [.. answer.Headers.GetValues("Set-Cookie")];
        return new Login(ValueOf("backprop-session"), ValueOf("backprop-csrf"));

        string ValueOf(string name) => cookies
            .Single(cookie => cookie.StartsWith($"{name}=", StringComparison.Ordinal))
            .Split(';')[0][(name.Length + 1)..];
    }

    private static async Task<HttpStatusCode> SendAsync(
        HttpClient http, HttpMethod method, string path, Login login)
    {
        using HttpRequestMessage request = Request(method, path, login);
        using HttpResponseMessage answer = await http.SendAsync(request);
        return answer.StatusCode;
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, Login login)
    {
        var request = new HttpRequestMessage(method, $"api/v1/{path}");
        request.Headers.Add(
            "Cookie", $"backprop-session={login.Secret}; backprop-csrf={login.Csrf}");
        if (login.Csrf.Length > 0)
        {
            request.Headers.Add("X-CSRF-Token", login.Csrf);
        }

        return request;
    }

    private sealed record Login(string Secret, string Csrf);
}

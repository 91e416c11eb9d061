using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Backprop.Console.Api.Access;
using Backprop.Distributed.Access;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Backprop.Console.Tests.Access;

/// <summary>Who is let in, and who is not, over HTTP.</summary>
public sealed class DoorTests(GuardedCluster cluster) : IClassFixture<GuardedCluster>
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Without_a_token_there_is_a_problem_that_says_how_to_get_one()
    {
        using HttpClient http = cluster.Client();
        using HttpResponseMessage answer = await http.GetAsync("api/v1/runs");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Bearer", Assert.Single(answer.Headers.WwwAuthenticate).Scheme);
        Assert.Equal(
            "application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Contains("backprop token create --role", await DetailOf(answer));
    }

    [Theory]
    [InlineData("viewer", HttpStatusCode.Forbidden)]
    [InlineData("operator", HttpStatusCode.NotFound)]
    [InlineData("admin", HttpStatusCode.NotFound)]
    public async Task A_role_may_do_what_it_says(string role, HttpStatusCode whenStopping)
    {
        using HttpClient http = cluster.Client(
            await cluster.TokenAsync(Enum.Parse<AccessRole>(role, ignoreCase: true)));
        using HttpResponseMessage looked = await http.GetAsync("api/v1/runs");
        Assert.Equal(HttpStatusCode.OK, looked.StatusCode);
        using HttpResponseMessage stopped = await http.PostAsync("api/v1/runs/none-1/stop", null);
        Assert.Equal(whenStopping, stopped.StatusCode);
        if (whenStopping == HttpStatusCode.Forbidden)
        {
            Assert.Contains("this takes the role operator", await DetailOf(stopped));
        }
    }

    [Fact]
    public async Task A_token_that_has_expired_says_so()
    {
        string token = await cluster.TokenAsync(
            AccessRole.Admin, DateTimeOffset.UtcNow.AddMinutes(-1));
        using HttpClient http = cluster.Client(token);
        using HttpResponseMessage answer = await http.GetAsync("api/v1/runs");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("expired at", await DetailOf(answer));
    }

    [Fact]
    public async Task A_token_that_is_revoked_is_refused_soon()
    {
        string token = await cluster.TokenAsync(AccessRole.Viewer);
        using HttpClient http = cluster.Client(token);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("api/v1/runs")).StatusCode);
        await RevokeAsync(token);

        using var limit = new CancellationTokenSource(s_patience);
        HttpResponseMessage answer = await http.GetAsync("api/v1/runs");
        while (answer.StatusCode == HttpStatusCode.OK)
        {
            await Task.Delay(100, limit.Token);
            answer = await http.GetAsync("api/v1/runs");
        }

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("was revoked at", await DetailOf(answer));
    }

    [Theory]
    [InlineData("Bearer bp_0123456789ab_" + Zeros)]
    [InlineData("Bearer bp_short")]
    [InlineData("Bearer ")]
    [InlineData("Bearer \u00e9\u00e8")]
    [InlineData("Basic YWRtaW46YWRtaW4=")]
    [InlineData("Negotiate x")]
    public async Task What_is_unknown_is_refused_and_not_repeated(string authorization)
    {
        using HttpClient http = cluster.Client();
        using var request = new HttpRequestMessage(HttpMethod.Get, "api/v1/cluster");
        request.Headers.TryAddWithoutValidation("Authorization", authorization);
        try
        {
            using HttpResponseMessage answer = await http.SendAsync(request);
            string detail = await answer.Content.ReadAsStringAsync();
            Assert.True(
                answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.BadRequest);
            Assert.DoesNotContain(Zeros, detail);
        }
        catch (HttpRequestException)
        {
            // The client itself sends nothing but ASCII.
            Assert.Contains(authorization, c => c > 127);
        }
    }

    [Fact]
    public async Task The_right_identifier_with_another_secret_is_refused()
    {
        string token = await cluster.TokenAsync(AccessRole.Admin);
        string other = await cluster.TokenAsync(AccessRole.Admin);
        using HttpClient http = cluster.Client(token[..16] + other[16..]);
        using HttpResponseMessage answer = await http.GetAsync("api/v1/runs");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("not known here", await DetailOf(answer));
    }

    [Theory]
    [InlineData("/API/V1/RUNS")]
    [InlineData("/api/v1/runs/")]
    [InlineData("/api/v1/%72uns")]
    [InlineData("//api/v1/runs")]
    [InlineData("/api//v1/runs")]
    [InlineData("/api/v1/./runs")]
    [InlineData("/health/../api/v1/runs")]
    [InlineData("/health/%2e%2e/api/v1/runs")]
    [InlineData("/api/v1/session/../runs")]
    [InlineData("/api/v1/runs;a=b")]
    public async Task Another_spelling_is_no_way_in(string path)
    {
        using HttpClient http = cluster.Client();
        (HttpStatusCode status, string body) = await RawAsync(http, path);
        Assert.True(
            status is HttpStatusCode.Unauthorized or HttpStatusCode.NotFound, $"{status}: {body}");
    }

    [Theory]
    [InlineData("/../../../../etc/passwd")]
    [InlineData("/..%2f..%2f..%2f..%2fetc%2fpasswd")]
    [InlineData("/%2e%2e/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/....//....//etc/passwd")]
    [InlineData("/..\\..\\..\\etc\\passwd")]
    [InlineData("/api/v1/runs/..%2f..%2f..%2fetc%2fpasswd")]
    [InlineData("/api/v1/runs/%2fetc%2fpasswd/model")]
    [InlineData("/api/v1/runs/..%5c..%5cetc/model")]
    [InlineData("/api/v1/runs/a%00b")]
    [InlineData("/api/v1/runs/a%0d%0aX: y/specification")]
    public async Task No_path_leads_out_of_what_is_served(string path)
    {
        using HttpClient http = cluster.Client(await cluster.TokenAsync(AccessRole.Admin));
        (HttpStatusCode status, string body) = await RawAsync(http, path);
        Assert.True(
            status is HttpStatusCode.NotFound or HttpStatusCode.BadRequest, $"{status}: {body}");
        Assert.DoesNotContain("root:", body);
    }

    [Fact]
    public void Nothing_below_api_is_open_but_the_login()
    {
        var endpoints = cluster.Services.GetServices<EndpointDataSource>()
            .SelectMany(source => source.Endpoints).OfType<RouteEndpoint>().ToArray();
        Assert.Contains(endpoints, endpoint => !AccessDoor.IsOpen(endpoint));
        string[] open =
        [
            .. endpoints.Where(AccessDoor.IsOpen)
                .Select(endpoint => endpoint.RoutePattern.RawText!.TrimStart('/').TrimEnd('/'))
                .Where(pattern => pattern.StartsWith("api", StringComparison.OrdinalIgnoreCase))
                .Distinct(),
        ];
        Assert.Equal(["api/v1/session"], open);
    }

    [Fact]
    public async Task Whether_it_lives_is_told_to_everybody()
    {
        using HttpClient http = cluster.Client();
        using HttpResponseMessage answer = await http.GetAsync("health/live");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
    }

    [Fact]
    public async Task A_viewer_may_ask_what_changes_nothing()
    {
        using HttpClient http = cluster.Client(await cluster.TokenAsync(AccessRole.Viewer));
        using HttpResponseMessage validated = await http.PostAsync(
            "api/v1/specifications/validate", new StringContent("run { }"));
        Assert.Equal(HttpStatusCode.OK, validated.StatusCode);
        Assert.Contains("\"isValid\":false", await validated.Content.ReadAsStringAsync());
        using HttpResponseMessage predicted = await http.PostAsJsonAsync(
            "api/v1/runs/none-1/predict", new { features = new[] { 0.5 } });
        Assert.Equal(HttpStatusCode.NotFound, predicted.StatusCode);

        using HttpResponseMessage submitted = await http.PostAsync(
            "api/v1/runs", new StringContent("run { }"));
        Assert.Equal(HttpStatusCode.Forbidden, submitted.StatusCode);
        using HttpClient nobody = cluster.Client();
        using HttpResponseMessage unknown = await nobody.PostAsync(
            "api/v1/specifications/validate", new StringContent("run { }"));
        Assert.Equal(HttpStatusCode.Unauthorized, unknown.StatusCode);
    }

    [Theory]
    [InlineData("api/v1/runs")]
    [InlineData("health/live")]
    public async Task Answers_that_are_no_page_tell_browsers_to_run_nothing(string path)
    {
        using HttpClient http = cluster.Client(await cluster.TokenAsync(AccessRole.Viewer));
        using HttpResponseMessage answer = await http.GetAsync(path);
        Assert.Equal(
            "default-src 'none'; frame-ancestors 'none'",
            Assert.Single(answer.Headers.GetValues("Content-Security-Policy")));
    }

    [Fact]
    public async Task Answers_tell_browsers_to_keep_nothing()
    {
        using HttpClient http = cluster.Client(await cluster.TokenAsync(AccessRole.Viewer));
        using HttpResponseMessage answer = await http.GetAsync("api/v1/runs");
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
    }

    [Fact]
    public async Task Guessing_is_refused_at_once_after_some_failures_but_not_to_who_is_known()
    {
        string token = await cluster.TokenAsync(AccessRole.Viewer);
        using HttpClient http = cluster.Client();
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(http, token));
        Assert.InRange(await GuessAsync(http), CredentialCheck.Failures, int.MaxValue);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(http, token));

        // A good token that was never seen from here has to wait with the others. One guess more
        // is allowed every few seconds, and it may be this one.
        string fresh;
        HttpResponseMessage answer;
        int tries = 0;
        do
        {
            fresh = await cluster.TokenAsync(AccessRole.Viewer);
            await GuessAsync(http);
            using HttpRequestMessage request = With(fresh);
            answer = await http.SendAsync(request);
        }
        while (answer.StatusCode == HttpStatusCode.OK && ++tries < MostTries);
        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        using HttpClient elsewhere = cluster.Client(fresh);
        Assert.Equal(HttpStatusCode.OK, (await elsewhere.GetAsync("api/v1/runs")).StatusCode);
    }

    private const int MostTries = 1_000;

    private const string Zeros =
        "0000000000000000000000000000000000000000000000000000000000000000";

    private async Task RevokeAsync(string token)
    {
        Assert.True(TokenText.TryParse(token, out string? id));
        Assert.True(await cluster.Tokens.RevokeAsync(
            id, DateTimeOffset.UtcNow, CancellationToken.None));
    }

    // Until that is refused at once; how many guesses were looked at.
    private static async Task<int> GuessAsync(HttpClient http)
    {
        int looked = 0;
        HttpStatusCode status;
        while ((status = await StatusAsync(http, TokenText.Generate().Text))
            == HttpStatusCode.Unauthorized && looked < MostTries)
        {
            looked++;
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, status);
        return looked;
    }

    private static HttpRequestMessage With(string token) =>
        new(HttpMethod.Get, "api/v1/runs")
        {
            Headers = { Authorization = new("Bearer", token) },
        };

    private static async Task<HttpStatusCode> StatusAsync(HttpClient http, string token)
    {
        using HttpRequestMessage request = With(token);
        using HttpResponseMessage answer = await http.SendAsync(request);
        return answer.StatusCode;
    }

    // As it stands: the usual ways to name a URL take dots out of it.
    private static async Task<(HttpStatusCode Status, string Body)> RawAsync(
        HttpClient http, string path)
    {
        string answer = await RawRequest.SendAsync(
            http.BaseAddress!,
            $"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            + (http.DefaultRequestHeaders.Authorization is { } token
                ? $"Authorization: {token}\r\n\r\n"
                : "\r\n"));
        return (RawRequest.StatusOf(answer), answer);
    }

    private static async Task<string> DetailOf(HttpResponseMessage answer)
    {
        using JsonDocument problem =
            JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return problem.RootElement.GetProperty("detail").GetString()!;
    }
}

using System.Net;
using System.Net.Http.Headers;
using Backprop.Console.Api;
using Backprop.Console.Api.Access;
using Backprop.Distributed.Access;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Persistence;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Backprop.Console.Tests.Access;

/// <summary>Answers that do not end, and endpoints of other makers.</summary>
public sealed class StreamTests : IAsyncLifetime
{
    private readonly ScratchDirectory _state = new();
    private readonly AccessTokens _tokens;
    private readonly WebApplication _api;
    private HttpClient _http = null!;

    public StreamTests()
    {
        var database = new PersistenceOptions.Sqlite(_state.Path);
        _tokens = new AccessTokens(database, TimeSpan.FromSeconds(30));
        _api = ApiServer.CreateBuilder(
            "127.0.0.1", 0,
            new AccessOptions { Tokens = TokenUse.Required, Database = database }).Build();
        AccessControl.Use(_api);
        _api.MapGet("/api/v1/forever", async (HttpContext context) =>
        {
            while (true)
            {
                await context.Response.WriteAsync("data: x\n\n", context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await Task.Delay(50, context.RequestAborted);
            }
        });
        _api.MapGet("/metrics", () => "figures");
        _api.MapGet("/", () => "page").AllowAnonymous();
    }

    public async Task InitializeAsync()
    {
        await _api.StartAsync();
        _http = new HttpClient
        {
            BaseAddress = new Uri(_api.Services.GetRequiredService<IServer>()
                .Features.Get<IServerAddressesFeature>()!.Addresses.Single()),
        };
    }

    public async Task DisposeAsync()
    {
        _http.Dispose();
        await _api.DisposeAsync();
        _tokens.Dispose();
        _state.Dispose();
    }

    [Fact]
    public async Task What_is_told_as_it_happens_ends_with_the_right_to_it()
    {
        (string id, string text) = TokenText.Generate();
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await _tokens.AddAsync(
            new AccessToken(id, "", AccessRole.Viewer, now, null, null), TokenText.HashOf(text),
            now, CancellationToken.None);
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", text);
        using HttpResponseMessage answer = await _http.GetAsync(
            "api/v1/forever", HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await using Stream body = await answer.Content.ReadAsStreamAsync();
        var buffer = new byte[64];
        Assert.NotEqual(0, await body.ReadAsync(buffer));

        await _tokens.RevokeAsync(id, now, CancellationToken.None);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            while (await body.ReadAsync(buffer, limit.Token) > 0)
            {
                // It goes on for a moment.
            }
        }
        catch (IOException)
        {
            // Cut off in the middle of an answer.
        }

        Assert.False(limit.IsCancellationRequested);
    }

    [Fact]
    public async Task An_endpoint_is_closed_unless_it_says_otherwise()
    {
        Assert.Equal(HttpStatusCode.Unauthorized, (await _http.GetAsync("metrics")).StatusCode);
        using HttpResponseMessage page = await _http.GetAsync("");
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Equal(
            HttpStatusCode.NotFound, (await _http.GetAsync("no-file.js")).StatusCode);
    }
}

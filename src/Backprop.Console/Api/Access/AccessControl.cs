using System.Net;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace Backprop.Console.Api.Access;

/// <summary>
/// Guards the API, as <c>docs/access.md</c> has it. Every endpoint is closed to who has no token,
/// unless it says otherwise; where no token is needed, since only this machine reaches it, the
/// user's own browser is not to be used by a page from elsewhere.
/// </summary>
internal static class AccessControl
{
    private static readonly TimeSpan s_headers = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(5);
    private const double LeastBytesPerSecond = 240;

    /// <summary>Adds what it takes to an application.</summary>
    /// <param name="builder">The application's.</param>
    /// <param name="options">What is configured.</param>
    /// <param name="host">The host that it is served at.</param>
    /// <param name="addresses">What that stands for.</param>
    /// <exception cref="MistakeException">Everybody would come in.</exception>
    public static void Add(
        WebApplicationBuilder builder, AccessOptions options, string host,
        IReadOnlyCollection<IPAddress> addresses)
    {
        AccessPolicy policy = AccessPolicy.Of(options, host, addresses);
        builder.Services.AddSingleton(policy);
        builder.Services.AddSingleton(provider => new AccessDoor(
            policy, options.Database, provider.GetService<TimeProvider>() ?? TimeProvider.System));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // Who sends, or takes, a byte now and then does not keep a connection.
            kestrel.Limits.RequestHeadersTimeout = s_headers;
            kestrel.Limits.MinRequestBodyDataRate = new(LeastBytesPerSecond, s_grace);
            kestrel.Limits.MinResponseDataRate = new(LeastBytesPerSecond, s_grace);
        });

        // Not AddAuthentication: that also writes keys for cookies with content into the user's
        // home, which nothing here uses.
        builder.Services.AddAuthenticationCore(authentication =>
        {
            authentication.DefaultScheme = TokenAuthentication.SchemeName;
            authentication.AddScheme<TokenAuthentication>(
                TokenAuthentication.SchemeName, displayName: null);
        });
        builder.Services.AddWebEncoders();
        builder.Services.AddTransient<TokenAuthentication>();
        builder.Services.AddSingleton<IAuthorizationHandler, RequestRoleCheck>();
        builder.Services.AddAuthorization(authorization => authorization.FallbackPolicy =
            new AuthorizationPolicyBuilder().AddRequirements(new RequestRole()).Build());
    }

    /// <summary>Puts the guards before all that is added to the application afterwards, and maps
    /// the page's login.</summary>
    public static void Use(WebApplication application)
    {
        var door = application.Services.GetRequiredService<AccessDoor>();
        application.Use((context, next) => GuardAsync(context, next, door.Policy));
        application.UseRouting();
        application.UseAuthentication();
        application.UseAuthorization();
        application.Use((context, next) => FollowAsync(context, next, door));
        SessionRoutes.Map(application, door);
    }

    private static async Task GuardAsync(
        HttpContext context, RequestDelegate next, AccessPolicy policy)
    {
        SecurityHeaders.AddTo(context, policy);
        HttpRequest request = context.Request;
        AccessRefusal? refusal = AccessRules.HostRefusal(request.Host.Host, policy)
            ?? AccessRules.OriginRefusal(
                request.Method, request.Host.Value ?? "", Single(request.Headers.Origin),
                Single(request.Headers["Sec-Fetch-Site"]));
        await (refusal is null ? next(context) : refusal.WriteAsync(context));
    }

    // What is told as it happens may go on for days; who has lost the right to it is cut off.
    private static async Task FollowAsync(
        HttpContext context, RequestDelegate next, AccessDoor door)
    {
        Task answering = next(context);
        if (answering.IsCompleted || context.Features.Get<AccessGrant>() is not { } grant)
        {
            await answering;
            return;
        }

        using var answered = new CancellationTokenSource();
        Task watching = WatchAsync(context, grant, door, answered.Token);
        try
        {
            await answering;
        }
        finally
        {
            await answered.CancelAsync();
            await watching;
        }
    }

    private static async Task WatchAsync(
        HttpContext context, AccessGrant grant, AccessDoor door, CancellationToken answered)
    {
        try
        {
            do
            {
                await Task.Delay(CredentialCheck.Belief, answered);
            }
            while (await door.Check.IsStillGoodAsync(grant.Credential, answered));
            context.Abort();
        }
        catch (OperationCanceledException)
        {
            // The answer is complete.
        }
    }

    private static string? Single(StringValues header) =>
        header.Count == 0 ? null : header.ToString();
}

using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Tests.Nodes;

public sealed class ActorThreadsTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Fact]
    public void OneThreadDoesEverythingInOrder()
    {
        var threads = new ActorThreads("one", 1);
        var seen = new BlockingCollection<(int Number, string? Thread)>();
        for (int i = 0; i < 100; i++)
        {
            int number = i;
            threads.Execute(new Doing(() => seen.Add((number, Thread.CurrentThread.Name))));
        }

        for (int i = 0; i < 100; i++)
        {
            Assert.True(seen.TryTake(out (int, string?) next, s_patience));
            Assert.Equal((i, "one"), next);
        }

        threads.Shutdown();
    }

    [Fact]
    public void SeveralThreadsWorkSideBySide()
    {
        var threads = new ActorThreads("three", 3);
        using var together = new Barrier(3 + 1);
        for (int i = 0; i < 3; i++)
        {
            threads.Execute(new Doing(() => together.SignalAndWait(s_patience)));
        }

        Assert.True(together.SignalAndWait(s_patience), "three waited for each other");
        threads.Shutdown();
    }

    [Fact]
    public void WhatWaitsIsDoneBeforeTheEndAndNothingIsTakenAfter()
    {
        var threads = new ActorThreads("ending", 1);
        using var first = new ManualResetEventSlim();
        using var last = new ManualResetEventSlim();
        threads.Execute(new Doing(() => first.Wait(s_patience)));
        threads.Execute(new Doing(last.Set));
        threads.Shutdown();
        Assert.Throws<RejectedExecutionException>(() => threads.Execute(new Doing(() => { })));
        first.Set();
        Assert.True(last.Wait(s_patience), "what waited was done");
    }

    [Fact]
    public async Task EachSliceHasAThreadAndTheOthersShareTwo()
    {
        using var system = ActorSystem.Create("threads", NodeDispatchers.Config);
        string[] slices = await ThreadsOf(system, NodeDispatchers.Slice, actors: 4);
        string[] others = await ThreadsOf(system, NodeDispatchers.Nodes, actors: 16);
        Assert.Equal(4, slices.Distinct().Count());
        Assert.InRange(others.Distinct().Count(), 1, 2);
        await system.Terminate().WaitAsync(s_patience);
    }

    [Fact]
    public void ADispatcherWithoutAThreadIsRefused()
    {
        using var system = ActorSystem.Create(
            "none",
            ConfigurationFactory.ParseString($$"""
                idle {
                  type = Dispatcher
                  executor = "{{NodeDispatchers.Executor}}"
                  thread-count = 0
                }
                """));
        Exception mistake = Record.Exception(() => system.Dispatchers.Lookup("idle"));
        while (mistake.InnerException is { } inner)
        {
            mistake = inner;
        }

        Assert.Equal("idle.thread-count: 0; 1 or more would be right", mistake.Message);
    }

    private static async Task<string[]> ThreadsOf(ActorSystem system, string dispatcher, int actors)
    {
        Task<string>[] answers =
        [
            .. Enumerable.Range(0, actors).Select(_ => system
                .ActorOf(Props.Create(() => new Telling()).WithDispatcher(dispatcher))
                .Ask<string>("which thread?", s_patience)),
        ];
        return await Task.WhenAll(answers);
    }

    private sealed class Telling : ReceiveActor
    {
        public Telling() => ReceiveAny(_ => Sender.Tell($"{Environment.CurrentManagedThreadId}"));
    }

    private sealed class Doing(Action action) : IRunnable
    {
        public void Run() => action();

        public void Execute() => action();
    }
}
